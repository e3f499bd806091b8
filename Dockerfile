# A small image that runs as nobody: the binary, the shipped policies, nothing else.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY benches benches
# The dependencies in a layer of their own: a change of `src` does not build them again.
RUN mkdir src && touch src/lib.rs && echo 'fn main() {}' > src/main.rs && cargo build --profile dist --locked && rm -r src
COPY src src
# Copied files keep their times, and cargo builds what is newer than its last build.
RUN touch src/lib.rs src/main.rs && cargo build --profile dist --locked && mkdir /empty

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/dist/bramka /usr/local/bin/bramka
COPY policies /etc/bramka/policies
# Not every builder gives a new working directory to the user of the image, and the gate runs as that one.
COPY --from=build --chown=65532:65532 /empty /var/lib/bramka
WORKDIR /var/lib/bramka
VOLUME /var/lib/bramka
EXPOSE 8443 9443
ENTRYPOINT ["/usr/local/bin/bramka"]
CMD ["serve", "--policies", "/etc/bramka/policies", "--data", "/var/lib/bramka/data"]

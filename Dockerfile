# A small image that runs as nobody: the binary, the shipped policies, nothing else.
FROM rust:1.95-bookworm AS build
# What the build needs to put the gate to work before it is built for good.
RUN apt-get update && apt-get install -y --no-install-recommends curl nghttp2-client && rustup component add llvm-tools
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY benches benches
COPY scripts/dist scripts/dist
COPY policies policies
COPY src src
RUN scripts/dist && mkdir /empty

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

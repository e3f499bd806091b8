//! What is shipped to run the gate in containers: it names what exists, and says what the gate itself says.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bramka::{
    demo::standin::Trouble,
    words::tree::{self, Node},
};
use http::Method;

use crate::{
    kit::{Answer, Demo, Who, root, run, until},
    line::{self, bare},
    stage::Stage,
};

fn text(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn yaml(file: &str) -> Node {
    tree::parse(&file.into(), &text(file)).unwrap_or_else(|found| panic!("{found}"))
}

/// The node under a path of keys; a number is a place in a list.
fn at<'a>(node: &'a Node, path: &str) -> &'a Node {
    path.split('/').fold(node, |node, step| {
        let item = step.parse().ok().and_then(|place: usize| node.as_list()?.get(place));
        item.or_else(|| node.get(step)).unwrap_or_else(|| panic!("`{path}` lacks `{step}`"))
    })
}

fn word<'a>(node: &'a Node, path: &str) -> &'a str {
    at(node, path).as_text().unwrap_or_else(|| panic!("`{path}` is no text"))
}

fn words<'a>(node: &'a Node, path: &str) -> Vec<&'a str> {
    at(node, path).as_list().unwrap().iter().map(|item| item.as_text().unwrap()).collect()
}

/// What follows an option of a command.
fn option<'a>(command: &[&'a str], name: &str) -> &'a str {
    let place = command.iter().position(|word| *word == name).unwrap_or_else(|| panic!("no {name}"));
    command[place + 1]
}

fn port(address: &str) -> &str {
    address.rsplit(':').next().unwrap()
}

/// Ports of the shipped settings: callers', operators'.
fn ports() -> (String, String) {
    let gateway = yaml("policies/gateway.yaml");
    let of = |path| port(word(&gateway, path)).to_owned();
    (of("listeners/0/at"), of("admin/at"))
}

/// The lines of the Dockerfile that begin with a word, without it.
fn said<'a>(dockerfile: &'a str, word: &str) -> Vec<&'a str> {
    dockerfile.lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' ')).collect()
}

#[test]
fn the_image_is_built_from_what_is_there_and_runs_what_the_docs_say() {
    let dockerfile = text("Dockerfile");
    let docs = text("docs/operations.md");
    for copied in said(&dockerfile, "COPY") {
        let all: Vec<&str> = copied.split(' ').collect();
        let (target, sources) = all.split_last().unwrap();
        for source in sources.iter().filter(|source| !source.starts_with("--")) {
            match all.contains(&"--from=build") {
                false => assert!(root().join(source).exists(), "`COPY {copied}`: there is no `{source}`"),
                true => assert!(dockerfile.contains(&source[1..]) && target.starts_with('/'), "{copied}"),
            }
        }
    }
    // Everything the manifest names, what it reads its sources from and its settings.
    let (manifest, toolchain) = (text("Cargo.toml"), said(&dockerfile, "FROM")[0]);
    let sources = said(&dockerfile, "COPY").join(" ");
    for needed in ["Cargo.toml", "Cargo.lock", ".cargo", "src", "benches"] {
        assert!(sources.split(' ').any(|source| source == needed), "`{needed}` is not copied");
    }
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
    assert!(toolchain.starts_with(&format!("rust:{}-", version.trim_matches('"'))), "{toolchain}");

    let [tools, build] = said(&dockerfile, "RUN")[..] else { panic!("{dockerfile}") };
    let (script, _) = build.split_once(" && ").unwrap();
    let script = text(script);
    let profile = first_word(script.split_once("--profile ").unwrap().1);
    assert!(script.contains(&format!("cp \"$built/$target/{profile}/bramka\" \"$built/{profile}/bramka\"")));
    // The script says at its top what it needs.
    let (_, needed) = script.split_once("apt-get install ").unwrap();
    let (packages, component) = needed.split_once("; rustup component add ").unwrap();
    for needed in packages.split(' ').chain([first_word(component)]) {
        assert!(tools.contains(needed), "`{needed}` is not installed");
    }
    assert!(manifest.contains(&format!("[profile.{profile}]")), "there is no profile `{profile}`");
    let binary = format!("/src/target/{profile}/bramka /usr/local/bin/bramka");
    assert!(sources.contains(&binary), "{sources}");
    assert_eq!(said(&dockerfile, "ENTRYPOINT"), ["[\"/usr/local/bin/bramka\"]"]);

    let (data, admin) = ports();
    assert_eq!(said(&dockerfile, "EXPOSE"), [format!("{data} {admin}")]);
    // As whom it runs, and that the data is theirs.
    assert!(said(&dockerfile, "FROM")[1].ends_with(":nonroot") && said(&dockerfile, "USER").is_empty());
    assert!(docs.contains("runs as user 65532"));
    assert!(sources.contains("--chown=65532:65532 /empty /var/lib/bramka"));

    let command: Vec<String> = serde_json::from_str(said(&dockerfile, "CMD")[0]).unwrap();
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let (policies, kept) = (option(&command, "--policies"), option(&command, "--data"));
    assert!(sources.contains(&format!("policies {policies}")), "{policies}");
    assert!(kept.starts_with(said(&dockerfile, "VOLUME")[0]), "{kept} is on no volume");
    for told in [policies, kept] {
        assert!(docs.contains(&format!("`{told}`")), "docs/operations.md does not name `{told}`");
    }
    understood(&command);
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap()
}

#[test]
fn the_builder_is_sent_what_it_copies_and_nothing_else() {
    let dockerfile = text("Dockerfile");
    let mut copied: Vec<&str> = said(&dockerfile, "COPY")
        .into_iter()
        .filter(|line| !line.contains("--from="))
        .flat_map(|line| line.rsplit_once(' ').unwrap().0.split(' '))
        .collect();
    copied.sort_unstable();
    copied.dedup();
    let ignored = text(".dockerignore");
    let mut lines = ignored.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(lines.next(), Some("*"), "what is not named is sent, credentials too");
    let mut sent: Vec<&str> = lines.map(|line| line.strip_prefix('!').unwrap()).collect();
    sent.sort_unstable();
    assert_eq!(sent, copied);
}

#[test]
fn containers_are_given_the_time_a_gate_takes_to_drain() {
    let seconds = |text: &str| -> u32 { text.trim_end_matches('s').parse().unwrap() };
    let drain = seconds(word(&yaml("policies/gateway.yaml"), "bounds/drain_grace"));
    let compose = yaml("docker-compose.yml");
    assert!(seconds(word(&compose, "services/gate/stop_grace_period")) > drain);
    let docs = text("docs/operations.md");
    let (_, rest) = docs.split_once("docker run ").unwrap();
    assert!(seconds(first_word(rest.split_once("--stop-timeout ").unwrap().1)) > drain);
}

#[test]
fn verbs_in_a_container_are_told_as_the_binary_knows_them() {
    let docs = text("docs/operations.md").replace("\\\n", " ");
    let mut seen = 0;
    for line in docs.lines().filter_map(|line| line.strip_prefix("docker exec bramka bramka ")) {
        understood(&line.split_whitespace().collect::<Vec<_>>());
        seen += 1;
    }
    assert!(seen > 0);
}

/// Whether the binary knows every word of a command.
#[track_caller]
fn understood(command: &[&str]) {
    let ran = run(&[command, &["--help"]].concat());
    assert_eq!(ran.code, 0, "{command:?}: {}", ran.err);
}

/// Folders and volumes of a service: where from, where to.
fn mounts<'a>(compose: &'a Node, service: &str) -> Vec<(&'a str, &'a str)> {
    let mount = |text: &'a str| {
        let mut parts = text.split(':');
        (parts.next().unwrap(), parts.next().unwrap())
    };
    words(compose, &format!("services/{service}/volumes")).into_iter().map(mount).collect()
}

/// The file of this repository that a service finds under a path.
fn mounted(compose: &Node, service: &str, path: &str) -> PathBuf {
    let found = mounts(compose, service).into_iter().find_map(|(from, to)| {
        let inside = Path::new(path).strip_prefix(to).ok()?;
        Some(root().join(from).join(inside))
    });
    found.unwrap_or_else(|| panic!("nothing of `{path}` is mounted into {service}"))
}

#[test]
fn the_services_find_their_files_and_each_other() {
    let file = text("docker-compose.yml");
    let compose = yaml("docker-compose.yml");
    let volumes = at(&compose, "volumes");
    for service in ["gate", "prometheus", "grafana"] {
        for (from, to) in mounts(&compose, service) {
            let is_there = match from.strip_prefix("./") {
                Some(inside) => root().join(inside).exists(),
                None => volumes.get(from).is_some(),
            };
            assert!(is_there, "{service}: `{from}` is not there, for {to}");
        }
    }

    let gate = words(&compose, "services/gate/command");
    understood(&gate);
    let (data, admin) = ports();
    assert_eq!(port(option(&gate, "--listen")), data);
    assert_eq!(port(option(&gate, "--admin")), admin);
    let published = words(&compose, "services/gate/ports");
    assert!(published.contains(&format!("127.0.0.1:{data}:{data}").as_str()), "{published:?}");
    assert!(published.iter().all(|port| port.starts_with("127.0.0.1:")), "{published:?}");
    assert_eq!(mounted(&compose, "gate", option(&gate, "--policies")), root().join("./policies"));

    // Grafana asks Prometheus where it is published, in the gate's network.
    let source = yaml("deploy/grafana/provisioning/datasources/prometheus.yml");
    assert_eq!(word(&compose, "services/prometheus/network_mode"), "service:gate");
    let url = word(&source, "datasources/0/url");
    assert!(url.starts_with("http://gate:"), "{url}");
    assert!(published.contains(&format!("127.0.0.1:{0}:{0}", port(url)).as_str()), "{url}");
    let provider = yaml("deploy/grafana/provisioning/dashboards/bramka.yml");
    assert!(mounted(&compose, "grafana", word(&provider, "providers/0/options/path")).is_dir());
    let home = word(&compose, "services/grafana/environment/GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH");
    assert!(mounted(&compose, "grafana", home).is_file());
    assert!(mounted(&compose, "grafana", "/etc/grafana/provisioning").is_dir());
    let dashboard = text("deploy/grafana/dashboards/bramka.json");
    let board: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let uid = word(&source, "datasources/0/uid");
    for panel in board["panels"].as_array().unwrap() {
        assert_eq!(panel["datasource"]["uid"], uid, "{}", panel["title"]);
    }

    // Prometheus: its rules, its token, and whom it believes.
    let config = option_value(&words(&compose, "services/prometheus/command"), "--config.file");
    let config_file = mounted(&compose, "prometheus", &config);
    let prometheus = yaml("deploy/prometheus/prometheus.yml");
    assert_eq!(config_file, root().join("./deploy/prometheus/prometheus.yml"));
    for rules in words(&prometheus, "rule_files") {
        assert!(config_file.with_file_name(rules).is_file(), "{rules}");
    }
    let token = word(&prometheus, "scrape_configs/0/authorization/credentials_file");
    let token = mounted(&compose, "prometheus", token);
    let token = token.strip_prefix(root()).unwrap().to_str().unwrap();
    assert!(file.contains(&format!("> {token}")), "nobody is told how to make `{token}`");
    assert!(text(".gitignore").lines().any(|line| token.starts_with(line.trim_start_matches('/'))));
    let volume = |service: &str| {
        mounts(&compose, service).into_iter().find(|(from, _)| *from == "data").map(|(_, to)| to).unwrap()
    };
    let inside = Path::new(option(&gate, "--data")).strip_prefix(volume("gate")).unwrap();
    let ca = Path::new(volume("prometheus")).join(inside).join("certs/ca.pem");
    assert_eq!(Path::new(word(&prometheus, "scrape_configs/0/tls_config/ca_file")), ca);
    assert_eq!(word(&compose, "services/prometheus/user"), "65532:65532");
}

/// The value of an option written with `=`.
fn option_value(command: &[&str], name: &str) -> String {
    let found = command.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {name}")).to_owned()
}

#[test]
fn prometheus_reads_the_admin_listener_as_it_is_told_to() {
    let prometheus = yaml("deploy/prometheus/prometheus.yml");
    let scrape = at(&prometheus, "scrape_configs/0");
    let target = word(scrape, "static_configs/0/targets/0");
    assert_eq!((word(scrape, "scheme"), port(target)), ("https", ports().1.as_str()));
    let host = target.split(':').next().unwrap();
    assert_eq!(host, word(scrape, "tls_config/server_name"));
    assert!(words(&yaml("policies/gateway.yaml"), "admin/hosts").contains(&host));

    // The command that makes the token stands in the comment of the compose file.
    let file = text("docker-compose.yml");
    let (_, command) = file.split_once("/usr/local/bin/bramka token").unwrap();
    let (command, _) = command.split_once("--data").unwrap();
    let command: Vec<&str> = command.split_whitespace().filter(|word| !["#", "\\"].contains(word)).collect();
    let demo = Demo::start();
    let made = demo.verb(&[&["token"], command.as_slice()].concat());
    assert_eq!(made.code, 0, "{made:?}");
    let answer = demo
        .admin(Method::GET, word(scrape, "metrics_path"))
        .by(Who::Nobody)
        .with("authorization", format!("Bearer {}", made.out.trim()))
        .send()
        .expect(200);
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));

    // What is copied out of the demo is there, and lands where git does not look.
    let compose = yaml("docker-compose.yml");
    let inside = format!("gate:{}", option(&words(&compose, "services/gate/command"), "--data"));
    let mut copies = 0;
    for line in file.lines().filter_map(|line| line.split_once("docker compose cp ")) {
        let (from, to) = line.1.split_once(' ').unwrap();
        let from = from.strip_prefix(&inside).unwrap().trim_start_matches('/');
        assert!(demo.data().join(from).is_file(), "the demo has no `{from}`");
        assert!(
            text(".gitignore").lines().any(|line| line.strip_prefix('/') == to.split('/').next()),
            "{to}"
        );
        copies += 1;
    }
    assert!(copies > 1);
    let token = file.split_once("Bearer $").unwrap().1.split('"').next().unwrap();
    assert!(fs::read_to_string(demo.data().join("demo.env")).unwrap().contains(&format!("{token}=")));
}

/// Every metric of ours that a text names.
fn metrics(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("bramka_"))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// A gate to which everything has happened that is counted when it first happens.
fn eventful() -> (Stage, impl Fn() -> Answer) {
    let stage = Stage::open(|_| {});
    let log = stage.stderr();
    let (_, admin) = log.split_once("admin=").unwrap();
    let admin = admin.split_whitespace().next().unwrap().to_owned();
    let token = |role| {
        let data = stage.data();
        let policies = data.with_file_name("policies");
        let (data, policies) = (data.to_str().unwrap(), policies.to_str().unwrap());
        let named = ["token", "issue", "--admin", role, "--role", role];
        let made = run(&[&named[..], &["--data", data, "--policies", policies]].concat());
        assert_eq!(made.code, 0, "{made:?}");
        made.out.trim().to_owned()
    };
    let (operate, read, ca) = (token("operate"), token("read"), stage.ca());
    line::once(&admin, &ca, bare(Method::POST, "/api/reload", Some(&operate))).expect(200);
    stage.ask(bare(Method::GET, "/v1/customers", None)).expect(401);
    let ask = || stage.ask(bare(Method::GET, "/v1/customers/701000000001", Some(&stage.shop)));
    let odd = r#"{ "id": "701000000001", "properties": { "firstname": "Ewa" }, "createdAt": "yesterday" }"#;
    stage.crm.trouble(Some(Trouble::Answer(200, odd.to_owned())));
    ask().expect(200);
    stage.crm.trouble(Some(Trouble::HangUp));
    assert!(ask().status >= 500);
    let scraped = move || line::once(&admin, &ca, bare(Method::GET, "/metrics", Some(&read))).expect(200);
    (stage, scraped)
}

#[test]
fn dashboard_and_alerts_ask_for_metrics_that_the_gate_has() {
    let named = text("deploy/grafana/dashboards/bramka.json") + &text("deploy/prometheus/alerts.yml");
    let (_stage, scraped) = eventful();
    let missing = || -> Vec<String> {
        let body = scraped().body;
        let exported = String::from_utf8_lossy(&body);
        let exported = metrics(&exported);
        metrics(&named).into_iter().filter(|name| !exported.contains(name)).map(str::to_owned).collect()
    };
    // These are told every few seconds only.
    until("issuers are told", || !missing().iter().any(|name| name == "bramka_issuer_keys"));
    assert_eq!(missing(), [""; 0]);
}

#[test]
fn the_first_refusal_of_a_kind_is_an_alert_too() {
    // Its counter comes into being at 1, and nothing has increased.
    let asked = text("deploy/prometheus/alerts.yml") + &text("deploy/grafana/dashboards/bramka.json");
    let asked = asked.replace("\\\"", "\"").split_whitespace().collect::<Vec<_>>().join(" ");
    let mut seen = 0;
    for rest in asked.split("increase(bramka_refusals_total").skip(1) {
        let (labels, rest) = rest.split_once('[').unwrap();
        let (period, rest) = rest.split_once("]) > 0 ").unwrap();
        let counter = format!("bramka_refusals_total{labels}");
        assert!(rest.starts_with(&format!("or {counter} unless {counter} offset {period}")), "{rest:.200}");
        seen += 1;
    }
    assert!(seen > 2);
}

#[test]
fn alerts_wait_for_reasons_that_exist() {
    let code = text("src/refusal.rs");
    let rules = text("deploy/prometheus/alerts.yml") + &text("deploy/grafana/dashboards/bramka.json");
    let mut seen = 0;
    for rest in rules.replace("\\\"", "\"").split("reason=\"").skip(1) {
        let reason = rest.split('"').next().unwrap();
        assert!(code.contains(&format!("=> \"{reason}\"")), "there is no reason `{reason}`");
        seen += 1;
    }
    assert!(seen > 1);
}

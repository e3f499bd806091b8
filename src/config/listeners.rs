//! What is wrong with listeners, told at its place in `gateway.yaml`: files that do not load, and changes that a
//! running gate does not take over.

use std::path::Path;

use super::{files::GATEWAY, settings::GatewaySettings, snapshot::Snapshot};
use crate::{
    door::{Door, DoorError},
    words::{
        Diagnostic, Diagnostics, Place,
        tree::{Node, Value},
    },
};

impl Snapshot {
    /// Reads the files of every listener as a gate would, relative to `base`. One that is not there is a doubt
    /// only, because bundles are checked on machines that have none. Blocks.
    pub fn check_listeners(&self, base: &Path) -> Diagnostics {
        let told = Door::check(&self.doors, base).into_iter().map(|error| {
            let told = self.settings.fault_of_door(&error, base);
            match error.is_file_missing() {
                true => Diagnostic::warning(&told.place, told.message)
                    .help("a gate with these policies does not start without it"),
                false => told,
            }
        });
        Diagnostics(told.collect())
    }
}

impl GatewaySettings {
    /// What keeps a door from opening or changing, at its place; files are relative to `base`.
    pub fn fault_of_door(&self, error: &DoorError, base: &Path) -> Diagnostic {
        let name = error.listener().as_str();
        let listener =
            self.listeners.iter().find(|node| node.get("name").and_then(Node::as_text) == Some(name));
        let at = |key| listener.and_then(|node| node.get(key)).map_or(Place::file(GATEWAY), place);
        match error {
            DoorError::Tls(..) => {
                let tls = listener.and_then(|node| node.get("tls"));
                let named = error.file().and_then(|file| {
                    scalar(tls?, &|text| base.join(text) == file).map(|node| node.place.clone())
                });
                Diagnostic::error(&named.unwrap_or_else(|| at("tls")), chain(error))
                    .help("mend the file or what names it; a running gate loads again on SIGHUP")
            }
            DoorError::Twice(_) => Diagnostic::error(&at("name"), chain(error)),
            DoorError::Added(_) | DoorError::Removed(_) => restart(&at("name"), error),
            DoorError::Moved(..) => restart(&at("at"), error),
        }
    }
}

fn restart(place: &Place, error: &DoorError) -> Diagnostic {
    Diagnostic::error(place, chain(error)).help(
        "names and addresses of listeners are taken over by a restart: start a successor on the same data folder",
    )
}

fn place(node: &Node) -> Place {
    node.place.clone()
}

/// The first scalar in a tree that is meant.
fn scalar<'a>(node: &'a Node, is_meant: &dyn Fn(&str) -> bool) -> Option<&'a Node> {
    match &node.value {
        Value::Scalar(text) => is_meant(&text.text).then_some(node),
        Value::Null => None,
        Value::List(items) => items.iter().find_map(|item| scalar(item, is_meant)),
        Value::Map(pairs) => pairs.iter().find_map(|(_, item)| scalar(item, is_meant)),
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told.push_str(&format!(": {error}"));
        cause = error.source();
    }
    told
}

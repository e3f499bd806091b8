//! What an entry says of the connection and the path: never an address or an id in clear.

use std::{net::IpAddr, sync::Arc};

use super::{
    draft::{Draft, EntryKind},
    lane::{Durability, Lane, Standing},
    strangers::Telling,
    text,
};
use crate::{clock::Now, words::Channel};

/// LIMIT: longest path prefix that is written in clear.
const PATH_PART_MAX: usize = 64;

/// What the door refuses before there is a request: failed handshakes, what the HTTP layer answers by itself.
/// Nobody waits for it.
pub fn refused_at_the_door(
    lane: &Arc<Lane>,
    channel: &Channel,
    reason: &'static str,
    status: Option<u16>,
    now: Now,
) {
    if lane.strangers.lock().note(channel.address, reason, now) == Telling::InTheCount {
        return;
    }
    let words = ChannelWords::of(channel);
    let mut text = lane.buffer();
    text::text(&mut text, "refusal", reason);
    if let Some(status) = status {
        text::number(&mut text, "status", status.into());
    }
    let draft = Draft {
        kind: EntryKind::Answer,
        request: None,
        now,
        fields: &[&words.leaf, &text],
        plain: &[&words.plain],
    };
    drop(draft.append(lane, Durability::Written, Standing::Stranger(Some(reason))));
    lane.give_back(text);
}

/// What entries say of a channel, in words: the same for all requests of a connection.
#[derive(Clone, Debug)]
pub struct ChannelWords {
    pub(super) address: IpAddr,
    /// Fields of the leaf.
    pub(super) leaf: Box<[u8]>,
    /// What is sealed.
    pub(super) plain: Box<[u8]>,
}

impl ChannelWords {
    /// Of a channel.
    pub fn of(channel: &Channel) -> Self {
        let (mut text, mut plain) = (Vec::new(), Vec::new());
        text::text(&mut text, "listener", channel.listener.as_str());
        text::text(&mut text, "network", network_class(channel.address));
        match &channel.tls {
            None => text::text(&mut text, "tls", "none"),
            Some(tls) => {
                text::text(&mut text, "tls", tls.version);
                if let Some(name) = &tls.server_name {
                    text::text(&mut text, "server_name", name);
                }
                if let Some(certificate) = &tls.certificate {
                    text::hex_text(&mut text, "certificate", &certificate.0);
                }
            }
        }
        text::key(&mut plain, "address");
        text::address(&mut plain, channel.address);
        if channel.peer.ip() != channel.address {
            text::key(&mut plain, "peer");
            text::address(&mut plain, channel.peer.ip());
        }
        Self { address: channel.address, leaf: text.into(), plain: plain.into() }
    }
}

fn network_class(address: IpAddr) -> &'static str {
    match address.to_canonical() {
        address if address.is_loopback() => "loopback",
        IpAddr::V4(address) if address.is_private() || address.is_link_local() => "private",
        IpAddr::V6(address) if address.is_unique_local() || address.is_unicast_link_local() => "private",
        IpAddr::V4(_) | IpAddr::V6(_) => "public",
    }
}

/// `/v1/{collection}`, `/odata/{set}` and `/systems/{name}` in clear, where the word looks like a name of ours; of any other path
/// nothing but `/`, unless it is short and of plain letters.
pub(super) fn clear_part(path: &str) -> &str {
    let (prefix, rest) = match path {
        path if path.starts_with("/v1/") => path.split_at_checked(4).unwrap_or((path, "")),
        path if path.starts_with("/odata/") => path.split_at_checked(7).unwrap_or((path, "")),
        path if path.starts_with("/systems/") => path.split_at_checked(9).unwrap_or((path, "")),
        "/openapi.json" | "/.well-known/jwks.json" => return path,
        _ => return "/",
    };
    let word = rest.split(['/', '(']).next().unwrap_or_default();
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'_' | b'-');
    if word.len() <= PATH_PART_MAX && word.bytes().all(plain) {
        return path.get(..prefix.len() + word.len()).unwrap_or(prefix);
    }
    prefix
}

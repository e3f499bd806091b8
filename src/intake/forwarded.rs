//! The caller's address, where trusted proxies stand before us.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use http::{HeaderMap, header};
use ipnet::IpNet;

use crate::words::yaml_words;

/// Most hops that are looked at; a longer list is garbage.
const HOPS_MAX: usize = 32;

yaml_words! {
    /// Which header the trusted proxies write. Only this one is read: the other may come from anybody.
    pub enum ForwardedBy {
        /// `X-Forwarded-For: client, proxy1`
        XForwardedFor = "x-forwarded-for",
        /// `Forwarded: for=client, for=proxy1` (RFC 7239)
        Forwarded = "forwarded",
    }
}

/// Who the caller is taken to be: the peer itself unless it is a trusted proxy; then the rightmost address
/// that is not one. What cannot be read strictly counts for nothing: the peer stands.
pub fn caller_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet], by: ForwardedBy) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    if trusted.is_empty() || !is_trusted(peer) {
        return peer;
    }
    let Some(hops) = hops(headers, by) else { return peer };
    // Rightmost first: each hop was written by the one to its right.
    hops.iter().rev().copied().find(|hop| !is_trusted(*hop)).or(hops.first().copied()).unwrap_or(peer)
}

fn hops(headers: &HeaderMap, by: ForwardedBy) -> Option<Vec<IpAddr>> {
    let name = match by {
        ForwardedBy::XForwardedFor => header::HeaderName::from_static("x-forwarded-for"),
        ForwardedBy::Forwarded => header::FORWARDED,
    };
    let mut hops = Vec::new();
    for line in headers.get_all(name) {
        for element in line.to_str().ok()?.split(',') {
            let node = match by {
                ForwardedBy::XForwardedFor => Cow::Borrowed(element.trim()),
                ForwardedBy::Forwarded => forwarded_for(element.trim())?,
            };
            hops.push(address(&node)?);
            if hops.len() > HOPS_MAX {
                return None;
            }
        }
    }
    Some(hops)
}

/// The `for` of one element of `Forwarded`. Quoted values hold no comma here: addresses have none.
fn forwarded_for(element: &str) -> Option<Cow<'_, str>> {
    let mut found = None;
    for pair in element.split(';') {
        let (name, value) = pair.trim().split_once('=')?;
        if name.eq_ignore_ascii_case("for") {
            if found.is_some() {
                return None;
            }
            found = Some(match value.strip_prefix('"') {
                Some(quoted) => quoted.strip_suffix('"')?,
                None => value,
            });
        }
    }
    found.map(Cow::Borrowed)
}

/// An address with or without port; IPv6 bare or in brackets.
fn address(node: &str) -> Option<IpAddr> {
    let bare = node.parse::<IpAddr>().ok();
    let with_port = || node.parse::<SocketAddr>().ok().map(|at| at.ip());
    let bracketed = || {
        let inside = node.strip_prefix('[')?.strip_suffix(']')?;
        inside.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    };
    bare.or_else(with_port).or_else(bracketed).map(|address| address.to_canonical())
}

//! The caller's address, where trusted proxies stand before us.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, header};
use ipnet::IpNet;

use super::HeadFault;
use crate::words::yaml_words;

/// Most proxies in a row.
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
/// that is not one. The list is read from its right end, where the proxies write, and no further than that
/// address: what stands left of it is the caller's own word and counts for nothing.
///
/// # Errors
/// When what a trusted proxy wrote is no address, or more than 32 proxies stand in a row: who asks is unknown.
pub fn caller_address(
    peer: IpAddr,
    headers: &HeaderMap,
    trusted: &[IpNet],
    by: ForwardedBy,
) -> Result<IpAddr, HeadFault> {
    let mut address = peer.to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    if trusted.is_empty() || !is_trusted(address) {
        return Ok(address);
    }
    let name = match by {
        ForwardedBy::XForwardedFor => header::HeaderName::from_static("x-forwarded-for"),
        ForwardedBy::Forwarded => header::FORWARDED,
    };
    let elements =
        headers.get_all(name).iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    for (hop, element) in elements.enumerate() {
        let told = std::str::from_utf8(element).ok().filter(|_| hop < HOPS_MAX);
        address = told.and_then(|element| told_by(by, element.trim())).ok_or(HeadFault::Forwarded)?;
        if !is_trusted(address) {
            break;
        }
    }
    Ok(address)
}

fn told_by(by: ForwardedBy, element: &str) -> Option<IpAddr> {
    match by {
        ForwardedBy::XForwardedFor => address(element),
        ForwardedBy::Forwarded => address(forwarded_for(element)?),
    }
}

/// The `for` of one element of `Forwarded`. Quoted values hold no comma here: addresses have none.
fn forwarded_for(element: &str) -> Option<&str> {
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
    found
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

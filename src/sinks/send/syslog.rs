//! Syslog messages (RFC 5424) over TLS (RFC 5425), each with its length before it.
//!
//! Syslog knows no answer. So a batch has a connection of its own: it is written, the gate says that it is done
//! (`close_notify`), and waits until the receiver has read to the end and says the same (RFC 5425 §4.4). A connection that
//! ends without is no such sign, since that of a receiver that crashed does too, and the batch is sent again.

use std::{io, time::Duration};

use jiff::fmt::temporal::DateTimePrinter;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};
use url::Url;

use super::Fault;
use crate::{
    sinks::{event::Event, ocsf::Severity, reading::Batch, settings::Closing},
    wire::{Keep, Local, Origin, Socket, TlsClient, connected},
};

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long a batch may take to be written, and the receiver to close its side afterwards.
const WRITE_MAX: Duration = Duration::from_secs(30);
const CLOSE_MAX: Duration = Duration::from_secs(15);
/// LIMIT: bytes of a `MSGID`.
const MSGID_MAX: usize = 32;
/// LIMIT: bytes that a receiver may say: it has nothing to say.
const SAID_BYTES_MAX: u64 = 64 * 1024;
const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

/// Sends batches to a syslog receiver.
#[derive(Debug)]
pub(in crate::sinks) struct Syslog {
    origin: Origin,
    facility: u8,
    confirmed_by: Closing,
    gate: String,
}

impl Syslog {
    pub(super) fn new(
        to: &Url,
        (facility, confirmed_by): (u8, Closing),
        gate: &str,
        tls: &TlsClient,
    ) -> Result<Self, Fault> {
        let local = Local { allow: true, ..Local::default() };
        let origin = Origin::new(to, Some(&tls.without_http()), None, local, Keep::default());
        let origin = origin.map_err(Fault::again)?;
        Ok(Self { origin, facility, confirmed_by, gate: gate.to_owned() })
    }

    pub(super) async fn send(&self, batch: &Batch) -> Result<(), Fault> {
        let mut socket = connected(&self.origin, CONNECT_MAX).await.map_err(Fault::again)?;
        let told =
            |what: &str, error: &io::Error| Fault::again(format!("`{}` {what}: {error}", self.origin.peer()));
        let written = timeout(WRITE_MAX, self.write(&mut socket, batch)).await;
        written
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|error| told("did not take all of it", &error))?;
        let closed = timeout(CLOSE_MAX, until_closed(&mut socket, self.confirmed_by)).await;
        closed
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|error| told("did not close the connection after the last message", &error))
    }

    async fn write(&self, socket: &mut Socket, batch: &Batch) -> io::Result<()> {
        let mut frames = Vec::new();
        for event in &batch.events {
            let message = self.message(event);
            frames.extend_from_slice(message.len().to_string().as_bytes());
            frames.push(b' ');
            frames.extend_from_slice(message.as_bytes());
        }
        socket.write_all(&frames).await?;
        socket.flush().await?;
        socket.shutdown().await
    }

    /// `<PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG`
    fn message(&self, event: &Event) -> String {
        let severity = match event.severity {
            Severity::Informational => 6,
            Severity::Low => 5,
            Severity::Medium => 4,
            Severity::High => 3,
        };
        let priority = u16::from(self.facility).saturating_mul(8).saturating_add(severity);
        let at = PRINTER.timestamp_to_string(&event.at);
        let id: String = event.kind.chars().filter(char::is_ascii_graphic).take(MSGID_MAX).collect();
        let id = if id.is_empty() { "-" } else { &id };
        format!("<{priority}>1 {at} {} bramka - {id} - {}", self.gate, event.text)
    }
}

/// Reads until the receiver closes its side.
async fn until_closed(socket: &mut Socket, confirmed_by: Closing) -> io::Result<()> {
    let mut said = socket.take(SAID_BYTES_MAX);
    let mut bytes = [0; 1024];
    loop {
        match (said.read(&mut bytes).await, confirmed_by) {
            (Ok(0), _) if said.limit() == 0 => return Err(io::Error::other("it does not stop talking")),
            (Ok(0), _) => return Ok(()),
            (Ok(_), _) => {}
            // What it had not taken from the network it tells by a reset.
            (Err(error), Closing::Done) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            (Err(error), Closing::Said) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let why = "there was no `close_notify`; `confirmed_by: close` does without";
                return Err(io::Error::other(why));
            }
            (Err(error), _) => return Err(error),
        }
    }
}

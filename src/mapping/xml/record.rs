//! Where a system speaks XML: its answers along the lines of a mapping, and the bodies of what is sent.

use bytes::Bytes;
use http::{
    HeaderValue,
    header::{ACCEPT, CONTENT_TYPE},
};
use serde_json::Value as Json;

use super::{
    BadXml, Names,
    load::Record,
    walk::{Walker, document},
    write,
};
use crate::{
    mapping::{
        errors::SystemFault,
        inward::{Inward, RowFault},
        listing::Request,
        model::{Call, Envelope, Mapping},
        native::NativeRequest,
        out::Out,
        outward::{MappingFault, Naming, Whose},
        scan::Raw,
        trie::{Node, Raws},
    },
    schema::FieldSet,
};

impl Mapping {
    /// The one record of an answer.
    pub(in crate::mapping) fn row_of_xml<'a>(
        &self,
        names: &Names,
        body: &'a [u8],
        raws: &mut Raws<'a>,
        wanted: &FieldSet,
    ) -> Result<Result<Inward, RowFault>, SystemFault> {
        let is_record = self.fill_from_xml(names, body, raws)?;
        raws.lift(&self.record, 0);
        Ok(if is_record { self.build(raws, wanted) } else { Err(RowFault::NotAnObject) })
    }

    /// Fills a record's slots from an answer; whether a record stands where one is due.
    pub(in crate::mapping) fn fill_from_xml<'a>(
        &self,
        names: &Names,
        body: &'a [u8],
        raws: &mut Raws<'a>,
    ) -> Result<bool, SystemFault> {
        let none = || SystemFault::unreadable("the answer holds no record where one is due".to_owned());
        let record = self.xml.as_ref().ok_or_else(none)?;
        let mut found = None;
        let mut on_row = |walker: &mut Walker<'a, '_>| {
            if found.is_some() {
                return Err(BadXml::TooMuch("records"));
            }
            found = Some(walker.row(&self.record, raws)?);
            Ok(())
        };
        let mut envelope = Raws::default();
        envelope.restart(record.frame);
        document(body, names, &record.envelope, &mut envelope, &mut on_row).map_err(unread)?;
        if envelope.twice {
            return Err(SystemFault::unreadable(RowFault::Twice.to_string()));
        }
        found.ok_or_else(none)
    }

    /// The rows of an answer, and what its envelope holds.
    pub(in crate::mapping) fn rows_of_xml<'a>(
        &self,
        names: &Names,
        place: &Node,
        (body, rows_max): (&'a [u8], usize),
        (envelope, mut raws): (&mut Raws<'a>, Raws<'a>),
        wanted: &FieldSet,
    ) -> Result<Vec<Result<Inward, RowFault>>, SystemFault> {
        let mut rows = Vec::new();
        let mut on_row = |walker: &mut Walker<'a, '_>| {
            if rows.len() >= rows_max {
                return Err(BadXml::TooMuch("rows"));
            }
            raws.restart(self.frame);
            let is_record = walker.row(&self.record, &mut raws)?;
            raws.lift(&self.record, 0);
            rows.push(if is_record { self.build(&raws, wanted) } else { Err(RowFault::NotAnObject) });
            Ok(())
        };
        document(body, names, place, envelope, &mut on_row).map_err(unread)?;
        Ok(rows)
    }

    /// The records of an answer as trees: its rows, or else the one.
    pub(in crate::mapping) fn trees_of_xml(
        &self,
        names: &Names,
        rows: Option<(&Node, u16)>,
        body: &[u8],
    ) -> Option<Vec<Json>> {
        let own = || self.xml.as_ref().map(|record| (&record.envelope, record.frame));
        let (place, frame) = rows.or_else(own)?;
        let (mut trees, mut envelope) = (Vec::new(), Raws::default());
        envelope.restart(frame);
        let mut on_row = |walker: &mut Walker<'_, '_>| {
            trees.push(walker.tree()?);
            Ok(())
        };
        document(body, names, place, &mut envelope, &mut on_row).ok()?;
        Some(trees)
    }

    /// What the rows of an answer hold at a place, where they hold keys alone.
    pub(in crate::mapping) fn keys_of_xml<'a>(
        &self,
        names: &Names,
        rows: &Node,
        (body, rows_max): (&'a [u8], usize),
        key: &Envelope,
        envelope: &mut Raws<'a>,
    ) -> Result<Vec<Raw<'a>>, SystemFault> {
        let (mut found, mut raws) = (Vec::new(), Raws::default());
        let mut on_row = |walker: &mut Walker<'a, '_>| {
            if found.len() >= rows_max {
                return Err(BadXml::TooMuch("rows"));
            }
            raws.restart(key.frame);
            walker.row(&key.root, &mut raws)?;
            found.push(if raws.twice { Raw::Absent } else { raws.get(0, Envelope::PLACE) });
            Ok(())
        };
        document(body, names, rows, envelope, &mut on_row).map_err(unread)?;
        Ok(found)
    }

    /// A request with its body in what the system speaks.
    pub(in crate::mapping) fn finish(&self, request: Request, body: Option<Out>) -> NativeRequest {
        let Some(names) = &self.words.xml else { return request.finish(body) };
        let order = self.xml.as_ref().map(|record| &record.order);
        let body = body.filter(|body| !body.is_empty()).map(|body| write::document(&body, names, order));
        self.finish_document(request, names, body)
    }

    /// The same with a document as its body.
    pub(in crate::mapping) fn finish_document(
        &self,
        request: Request,
        names: &Names,
        body: Option<Vec<u8>>,
    ) -> NativeRequest {
        let mut native = request.finish(None);
        let is_plain = native.headers.get(ACCEPT).is_none_or(|accept| accept == "application/json");
        if is_plain {
            let types =
                if names.soap.is_some() { "text/xml, application/soap+xml" } else { "application/xml" };
            native.headers.insert(ACCEPT, HeaderValue::from_static(types));
        }
        if let Some(body) = body {
            match names.soap {
                Some(soap) => soap.mark(&mut native.headers),
                None => {
                    let plain = HeaderValue::from_static("application/xml");
                    native.headers.entry(CONTENT_TYPE).or_insert(plain);
                }
            }
            native.body = Bytes::from(body);
        }
        native
    }

    /// A record within what stands around it: what the call says, or else the elements of `wrap`.
    pub(in crate::mapping) fn carried(
        &self,
        call: &Call,
        naming: Naming<'_>,
        record: Out,
    ) -> Result<Out, Vec<MappingFault>> {
        let Some(Record { wrap, .. }) = &self.xml else { return Ok(call.carrying(naming, record)) };
        if !write::names_fit(&record) {
            let message = "one of these names cannot be one in the system's XML".to_owned();
            let pointer = String::new();
            return Err(vec![MappingFault { whose: Whose::Caller, leaf: None, pointer, message }]);
        }
        if call.body.is_some() {
            return Ok(call.carrying(naming, record));
        }
        let mut whole = Out::object();
        whole.put(wrap.steps(), record);
        Ok(whole)
    }
}

/// Fills the slots of a place from an answer that is no record.
pub(in crate::mapping) fn document_at<'a>(
    names: &Names,
    place: &Node,
    body: &'a [u8],
    raws: &mut Raws<'a>,
) -> Result<(), SystemFault> {
    document(body, names, place, raws, &mut |walker| walker.skip()).map_err(unread)
}

fn unread(why: BadXml) -> SystemFault {
    SystemFault::unreadable(why.to_string())
}

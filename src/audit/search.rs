//! Searching the journal: by who asked, of what, under which statement, with which outcome, and when.
//!
//! The index says where it may stand; the entry is read back from the journal, its checksum and sequence are checked,
//! and it is asked whether it is what was looked for. Where the index and the journal differ, the index is made again,
//! once; what differs then is an error and no answer.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{
    Index, IndexProgress, JournalError, JournalKeys, KeyedDigest,
    index::{IndexedSegment, Look, Part},
    leaf::Leaf,
    line::{Line, Lines},
    read::{self, Step},
    terms::{self, Sort, Term, Terms},
    wrapping::WrappingKeys,
};

/// Lines that are read back at a time, when the newest are looked for.
const AT_A_TIME: usize = 64;

/// What is looked for: all of it must be so.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Who asked: a principal, or the organisation it is of.
    pub principal: Option<KeyedDigest>,
    /// A record that was looked at, shown or changed, or whose data it is.
    pub record: Option<KeyedDigest>,
    /// A statement that decided.
    pub statement: Option<String>,
    /// What came of it.
    pub decision: Option<Decision>,
    /// The lowest and the highest status of the answer.
    pub status: Option<(u16, u16)>,
    /// A credential, by its id.
    pub credential: Option<String>,
    /// One exchange, by its id.
    pub request: Option<String>,
    /// An action: `list`, `call`.
    pub action: Option<String>,
    /// The entity or system that was asked for.
    pub target: Option<String>,
    /// An administrative act: `erase`.
    pub act: Option<String>,
    /// Not before this moment.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Only entries that name more than one entry holds.
    pub beyond: bool,
}

/// What came of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// An answer that refuses nothing.
    Allowed,
    /// A refusal, for whatever reason.
    Refused,
    /// A refusal for this one.
    Reason(String),
}

/// An entry that was found.
#[derive(Clone, Debug)]
pub struct Hit {
    /// In which lane.
    pub lane: String,
    /// The entry.
    pub line: Line,
}

/// The newest entries that were found, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Newest {
    /// The entries.
    pub hits: Vec<Hit>,
    /// Whether there are more of them before.
    pub more: bool,
}

/// Opens the index and asks it; where it turns out not to be what the journal is, it is made again and asked once more.
/// Blocks.
///
/// # Errors
/// The journal or the index cannot be read, or differ still.
pub fn asked<T>(
    (gate_directory, folder): (&Path, &Path),
    keys: &JournalKeys,
    progress: &IndexProgress,
    ask: impl Fn(&Index<'_>) -> Result<T, AskError>,
) -> Result<T, JournalError> {
    let mut again = false;
    loop {
        let index = Index::open(gate_directory, folder, keys, progress)?;
        match ask(&index) {
            Ok(answer) => return Ok(answer),
            Err(AskError::Journal(error)) => return Err(error),
            Err(AskError::Differs { index: path, place, .. }) if !again => {
                again = true;
                fs::remove_file(&path).map_err(JournalError::io("cannot remove", &path))?;
                tracing::warn!(place, "the index is not what the journal is, and is made again");
            }
            Err(AskError::Differs { place, why, .. }) => return Err(JournalError::Damaged { place, why }),
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AskError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The index is not what the journal is.
    #[error("the index `{}` is not what the journal is at {place}: {why}", .index.display())]
    Differs {
        /// Its file.
        index: PathBuf,
        /// Where.
        place: String,
        /// How.
        why: String,
    },
}

impl Query {
    /// Whether an entry is what is looked for; one that cannot be read is not.
    pub fn is(&self, line: &Line) -> bool {
        Leaf::read(line.leaf_bytes()).is_some_and(|leaf| self.fits(&leaf))
    }

    /// Words that every such entry has.
    fn terms(&self) -> Vec<Term> {
        let digests = [self.principal, self.record].into_iter().flatten().map(|digest| digest.to_string());
        let hex = digests.chain(self.request.clone()).filter_map(|hex| terms::of_hex(&hex));
        let reason = match &self.decision {
            Some(Decision::Reason(reason)) => Some((Sort::Refusal, &**reason)),
            Some(Decision::Refused) => Some((Sort::Mark, terms::REFUSED)),
            Some(Decision::Allowed) | None => None,
        };
        let texts = [
            self.statement.as_deref().map(|text| (Sort::Statement, text)),
            self.credential.as_deref().map(|text| (Sort::Credential, text)),
            self.act.as_deref().map(|text| (Sort::Act, text)),
            self.beyond.then_some((Sort::Mark, terms::BEYOND)),
            reason,
            (self.action.as_deref() == Some(terms::CALL)).then_some((Sort::Mark, terms::CALL)),
        ];
        hex.chain(texts.into_iter().flatten().map(|(sort, text)| terms::of_text(sort, text))).collect()
    }

    fn fits(&self, leaf: &Leaf<'_>) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        is(&self.request, leaf.request)
            && is(&self.credential, leaf.credential_id.as_ref().map(|id| &*id.0))
            && is(&self.action, leaf.action.as_ref().map(|action| &*action.0))
            && is(&self.target, leaf.target.as_ref().or(leaf.entity.as_ref()).map(|target| &*target.0))
            && is(&self.act, leaf.act.as_ref().map(|act| &*act.0))
            && self.statement.as_ref().is_none_or(|wanted| leaf.decided.iter().any(|one| one.is(wanted)))
            && (!self.beyond || leaf.is_beyond())
            && self.status.is_none_or(|(low, high)| leaf.status.is_some_and(|is| (low..=high).contains(&is)))
            && self.names(leaf)
            && self.decided(leaf)
            && self.in_time(leaf)
    }

    fn names(&self, leaf: &Leaf<'_>) -> bool {
        let who = |digest: KeyedDigest| {
            let digest = digest.to_string();
            leaf.who.as_ref().is_some_and(|who| who.id == digest || who.partner == Some(&digest))
        };
        let record = |digest: KeyedDigest| {
            let digest = digest.to_string();
            let shown = leaf.shown.iter().flat_map(|group| &group.records);
            let all = leaf.records.iter().chain(&leaf.subjects).chain(shown).copied();
            all.chain(leaf.record).chain(leaf.subject).any(|named| named == digest)
        };
        self.principal.is_none_or(who) && self.record.is_none_or(record)
    }

    fn decided(&self, leaf: &Leaf<'_>) -> bool {
        match &self.decision {
            None => true,
            Some(Decision::Allowed) => leaf.kind == "answer" && leaf.refusal.is_none(),
            Some(Decision::Refused) => leaf.refusal.is_some(),
            Some(Decision::Reason(reason)) => leaf.refusal.as_ref().is_some_and(|is| is.is(reason)),
        }
    }

    fn in_time(&self, leaf: &Leaf<'_>) -> bool {
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        leaf.at.parse().is_ok_and(|at: Timestamp| {
            self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
        })
    }

    /// The seconds it may be in.
    fn seconds(&self) -> (u32, u32) {
        let second = |moment: Timestamp| u32::try_from(moment.as_second().max(0)).unwrap_or(u32::MAX);
        (self.since.map_or(0, second), self.until.map_or(u32::MAX, second))
    }
}

impl Index<'_> {
    /// The newest entries that are what is looked for, at most `count`.
    ///
    /// # Errors
    /// The journal or the index cannot be read, or they differ.
    pub fn newest(&self, query: &Query, count: usize) -> Result<Newest, AskError> {
        let mut parts = self.parts(query);
        parts.sort_by_key(|(_, _, part)| Reverse(part.about.at.1));
        let mut found = BinaryHeap::<Reverse<Held>>::new();
        let mut more = false;
        for (lane, segment, part) in parts {
            let too_old = |at: u32, found: &BinaryHeap<Reverse<Held>>| {
                found.len() >= count && found.peek().is_some_and(|oldest| at < oldest.0.second)
            };
            if too_old(part.about.at.1, &found) {
                more = true;
                continue;
            }
            let mut asked = Asked::of(query, (segment, part), self.keys.wrapping())?;
            let candidates = asked.candidates()?;
            for some in candidates.rchunks(AT_A_TIME) {
                for number in some {
                    let (second, offset) = asked.place(*number)?;
                    if too_old(second, &found) {
                        more = true;
                        continue;
                    }
                    if let Some(line) = asked.read(*number, offset)? {
                        let at = line.facts().ok().map(|facts| facts.at.to_owned()).unwrap_or_default();
                        found.push(Reverse(Held { second, at, lane: lane.to_owned(), line }));
                    }
                }
                while found.len() > count {
                    drop(found.pop());
                    more = true;
                }
            }
        }
        let held = found.into_sorted_vec().into_iter().rev();
        let hits = held.map(|held| Hit { lane: held.0.lane, line: held.0.line }).collect();
        Ok(Newest { hits, more })
    }

    /// Hands over every entry that is what is looked for, lane by lane, oldest first.
    ///
    /// # Errors
    /// The journal or the index cannot be read, or they differ.
    pub(super) fn each(
        &self,
        query: &Query,
        mut take: impl FnMut(&str, &Line, &Leaf<'_>),
    ) -> Result<(), AskError> {
        for (lane, segment, part) in self.parts(query) {
            let mut asked = Asked::of(query, (segment, part), self.keys.wrapping())?;
            for number in asked.candidates()? {
                let (_, offset) = asked.place(number)?;
                if let Some(line) = asked.read(number, offset)?
                    && let Some(leaf) = Leaf::read(line.leaf_bytes())
                {
                    take(lane, &line, &leaf);
                }
            }
        }
        Ok(())
    }

    /// How many entries are no entries that can be read, lane by lane.
    pub(super) fn unreadable(&self) -> Result<Vec<(String, u64)>, AskError> {
        let mut found: Vec<(String, u64)> = Vec::new();
        for lane in &self.lanes {
            let mut count = 0;
            for part in lane.segments.iter().flat_map(|segment| &segment.parts) {
                let numbers = look(part)?.numbers(terms::of_text(Sort::Mark, terms::UNREADABLE));
                count += numbers.map_err(differs(part))?.len() as u64;
            }
            if count > 0 {
                found.push((lane.read.lane.clone(), count));
            }
        }
        Ok(found)
    }

    /// The parts whose time it may be in.
    fn parts(&self, query: &Query) -> Vec<(&str, &IndexedSegment, &Part)> {
        let (from, to) = query.seconds();
        let mut found = Vec::new();
        for lane in &self.lanes {
            for segment in &lane.segments {
                let parts =
                    segment.parts.iter().filter(|part| part.about.at.1 >= from && part.about.at.0 <= to);
                found.extend(parts.map(|part| (&*lane.read.lane, segment, part)));
            }
        }
        found
    }
}

/// A part that is asked.
struct Asked<'a> {
    query: &'a Query,
    terms: Vec<Term>,
    seconds: (u32, u32),
    segment: &'a IndexedSegment,
    part: &'a Part,
    look: Look<'a>,
    lines: Option<Lines>,
    line_terms: Terms,
    keys: &'a WrappingKeys,
}

impl<'a> Asked<'a> {
    fn of(
        query: &'a Query,
        (segment, part): (&'a IndexedSegment, &'a Part),
        keys: &'a WrappingKeys,
    ) -> Result<Self, AskError> {
        Ok(Self {
            query,
            terms: query.terms(),
            seconds: query.seconds(),
            segment,
            part,
            look: look(part)?,
            lines: None,
            line_terms: Terms::default(),
            keys,
        })
    }

    /// Lines that have all the words, in time.
    fn candidates(&mut self) -> Result<Vec<u32>, AskError> {
        let mut common: Option<Vec<u32>> = None;
        for term in &self.terms {
            let numbers = self.look.numbers(*term).map_err(differs(self.part))?;
            common = Some(match common {
                None => numbers,
                Some(mut common) => {
                    common.retain(|number| numbers.binary_search(number).is_ok());
                    common
                }
            });
        }
        let all = common.unwrap_or_else(|| (0..self.part.lines()).collect());
        let (from, to) = self.seconds;
        let mut in_time = Vec::with_capacity(all.len());
        for number in all {
            let (at, _) = self.place(number)?;
            if (from..=to).contains(&at) {
                in_time.push(number);
            }
        }
        Ok(in_time)
    }

    fn place(&mut self, number: u32) -> Result<(u32, u64), AskError> {
        self.look.line(number).map_err(differs(self.part))
    }

    /// The line as it stands in the journal, where it is what is looked for.
    fn read(&mut self, number: u32, offset: u64) -> Result<Option<Line>, AskError> {
        let path = &self.segment.path;
        let unreadable = || JournalError::io("cannot read", path);
        let lines = match &mut self.lines {
            Some(lines) => lines,
            none => none.insert(Lines::looks(path, self.keys)?),
        };
        let sequence = self.part.about.from.0.saturating_add(number.into());
        lines.go(offset, sequence).map_err(unreadable())?;
        let mut line = Line::default();
        match read::next_line(path, lines, &mut line) {
            Ok(Step::Line) => {}
            Ok(Step::End | Step::Short) => return Err(self.wrong(offset, "no line stands there")),
            Err(JournalError::Damaged { why, .. }) => return Err(self.wrong(offset, &why)),
            Err(error) => return Err(error.into()),
        }
        let leaf = Leaf::read(line.leaf_bytes());
        let mut words = Vec::new();
        self.line_terms.of(leaf.as_ref(), &mut words);
        if !self.terms.iter().all(|term| words.binary_search(term).is_ok()) {
            return Err(self.wrong(offset, "another entry stands there"));
        }
        let fits = leaf.is_some_and(|leaf| self.query.fits(&leaf));
        Ok(fits.then_some(line))
    }

    fn wrong(&self, offset: u64, why: &str) -> AskError {
        let place = format!("{} byte {offset}", self.segment.path.display());
        AskError::Differs { index: self.part.path.clone(), place, why: why.to_owned() }
    }
}

fn look(part: &Part) -> Result<Look<'_>, AskError> {
    part.look().map_err(differs(part))
}

fn differs(part: &Part) -> impl Fn(std::io::Error) -> AskError {
    let index = part.path.clone();
    move |error| AskError::Differs {
        index: index.clone(),
        place: index.display().to_string(),
        why: error.to_string(),
    }
}

/// One of the newest so far: ordered by time.
struct Held {
    second: u32,
    /// The moment, as the entry has it: lanes are compared by it within a second.
    at: String,
    lane: String,
    line: Line,
}

impl Held {
    fn order(&self) -> (u32, &str, &str, u64) {
        (self.second, &self.at, &self.lane, self.line.sequence)
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

//! The records of two systems side by side: which only one of them has, and where the two answers differ.
//!
//! Promises: nothing is changed in either system, for only lists are asked for ([`side`]); who looks, at what and how
//! far, is in the journal before the first record is asked for; values of personal and confidential fields are told only
//! where somebody says so, secret ones never; what was not looked at is told and counts for no agreement.
//!
//! The records are not kept: what is told of them is told to whoever runs it.

mod differ;
mod pairs;
mod side;
#[cfg(test)]
mod tests;
mod told;

use std::{
    collections::HashSet,
    fs,
    io::{self, IsTerminal},
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use clap::Args;

pub(super) use self::told::Compared;
use self::{
    differ::{Differ, Values},
    pairs::{Key, Paired},
    side::{Side, Taken},
    told::{Pair, Seen},
};
use super::Compare;
use crate::{
    cli::{
        error::VerbError,
        out,
        own::{self, Data, Record},
        serve,
    },
    clock,
    config::{self, Means, ProcessEnv, Served},
    crosswalk::MadeUp,
    mapping::{Abilities, Inward},
    schema::{Entity, FieldSet, Filter, LeafId, Op, Schema, Value},
    upstream,
    words::{SecretBytes, SystemName, nearest},
};

/// Values that a system is asked for at once.
const ASKED_AT_ONCE: usize = 20;

#[derive(Debug, Args)]
pub(super) struct Live {
    /// Compare their records too: both systems are asked, and nothing is changed in them
    #[arg(long)]
    live: bool,
    /// What tells a record apart in both systems; several fields with `+`. May be said again: the first that pairs
    /// counts. Without it the schema says what does (`x-natural-key`)
    #[arg(long, value_name = "FIELD", requires = "live")]
    key: Vec<String>,
    /// Leave this field out, and all under it
    #[arg(long, value_name = "FIELD", requires = "live")]
    ignore: Vec<String>,
    /// Compare this many records of either at most
    #[arg(long, value_name = "COUNT", default_value = "200", requires = "live",
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    most: u32,
    /// Ask either for this many pages a second at most
    #[arg(long, value_name = "COUNT", default_value = "5", requires = "live",
        value_parser = clap::value_parser!(u32).range(1..=50))]
    per_second: u32,
    /// Tell values of personal and confidential fields
    #[arg(long, requires = "live")]
    show_values: bool,
    /// Write the keys of records that belong together into this file, for `bramka ids join`
    #[arg(long, value_name = "FILE", requires = "live")]
    pairs: Option<PathBuf>,
    /// The folder of keys, store and journal
    #[arg(long, default_value = "data")]
    data: PathBuf,
}

impl Live {
    pub(super) fn is_wanted(&self) -> bool {
        self.live
    }
}

/// Looks at both systems.
///
/// # Errors
/// One of them could not be looked at, or the journal could not say so.
pub(super) fn compared(
    arguments: &Compare,
    schema: &Schema,
    entity: &Entity,
    abilities: [&Abilities; 2],
) -> Result<Compared, VerbError> {
    own::runtime()?.block_on(async {
        let data = Data::existing(&arguments.live.data)?;
        let Some(store) = data.store()? else { return Err(VerbError::NoData(arguments.live.data.clone())) };
        if !data.has_journal_keys() {
            let why = "the journal's keys are not here: no system is asked for what the journal cannot say";
            return Err(VerbError::NotThere(why.into()));
        }
        let plan = Plan::of(arguments, entity, abilities)?;
        let (gate, served) = served(arguments, schema)?;
        let record = Record::open(&data, &gate, clock::now())?;
        let compared = plan.run(&record, served).await;
        record.close(&store).await?;
        let compared = compared?;
        if let Some(file) = &arguments.live.pairs {
            fs::write(file, compared.keys_of_pairs()).map_err(VerbError::file(file))?;
        }
        Ok(compared)
    })
}

/// Both systems as the gate would have them, secrets included; and the gate's name.
fn served(arguments: &Compare, schema: &Schema) -> Result<(String, [Served; 2]), VerbError> {
    let mut raw = config::load(&arguments.policies, &ProcessEnv).map_err(VerbError::Bundle)?;
    let own = raw.addresses();
    let registry = upstream::Registry::default();
    let means = Means {
        registry: &registry,
        own: &own,
        // Nothing is shown under it.
        pseudonyms: &SecretBytes::new(vec![7; 32]),
        base: &serve::base(&arguments.policies),
        now: clock::now(),
        // Nobody is judged by it.
        ids: &MadeUp,
    };
    let mut of = |name: &str| {
        let known: Vec<&str> = raw.systems.iter().map(|sheet| sheet.name.value.as_str()).collect();
        if !known.contains(&name) {
            let near =
                nearest(name, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Err(VerbError::Misused(format!(
                "`{name}` is not in `systems/`{near} To be asked, a system's file stands there, whether or not it serves \
                 anything, and `secrets` in `gateway.yaml` says which are its own"
            )));
        }
        config::one(&mut raw, name, schema, &means).map_err(VerbError::Bundle)
    };
    let served = [of(&arguments.old)?, of(&arguments.new)?];
    let gate = raw.gateway.as_ref().map(|gateway| gateway.gate.value.clone());
    Ok((gate.ok_or_else(|| VerbError::Bundle(raw.report()))?, served))
}

/// What is laid side by side, and how.
struct Plan<'a> {
    arguments: &'a Compare,
    entity: &'a Entity,
    keys: Vec<Key>,
    /// Leaves that are compared.
    fields: FieldSet,
    /// Leaves that are asked for.
    wanted: FieldSet,
    abilities: [&'a Abilities; 2],
}

impl<'a> Plan<'a> {
    fn of(
        arguments: &'a Compare,
        entity: &'a Entity,
        abilities: [&'a Abilities; 2],
    ) -> Result<Self, VerbError> {
        let [old, new] = abilities;
        let both = old.told.intersection(&new.told);
        let keys = pairs::keys(entity, &arguments.live.key, &both)?;
        // What the gate says itself is no system's.
        let mut fields = both.minus(&old.received).minus(&new.received);
        // Each system has keys of its own for the same record.
        for leaf in entity.ids().filter(|leaf| entity.points_to(*leaf).is_some()) {
            fields.remove(leaf);
        }
        for path in &arguments.live.ignore {
            let under = entity.leaves_under(path);
            if under.is_empty() {
                let fields = entity.root.fields.iter().map(|field| &*field.name);
                let paths = fields.chain(entity.leaves.iter().map(|leaf| leaf.path.as_str()));
                let near =
                    nearest(path, paths).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                return Err(VerbError::Misused(format!("`{path}` is no field of {}{near}", entity.name)));
            }
            fields = fields.minus(&under);
        }
        let of_keys = keys.iter().fold(FieldSet::ID, |all, key| all.union(&key.leaves()));
        Ok(Self { arguments, entity, keys, fields, wanted: fields.union(&of_keys), abilities })
    }

    async fn run(&self, record: &Record, served: [Served; 2]) -> Result<Compared, VerbError> {
        let live = &self.arguments.live;
        let pace = Duration::from_secs(1) / live.per_second.max(1);
        // ORDER: the entry before anything is asked for.
        let what = format!(
            "{} of `{}` beside those of `{}`, {} of either at most",
            self.arguments.collection, self.arguments.old, self.arguments.new, live.most
        );
        let receipt = record.look(&what).await?;
        let [old, new] = served;
        let mut sides =
            [Side::open(old, self.entity, &receipt, pace)?, Side::open(new, self.entity, &receipt, pace)?];
        let [mut old, mut new] = self.taken(&mut sides).await?;
        let [asks_old, asks_new] = &mut sides;
        let first = pairs::pair(self.entity, &self.keys, &old.rows, &new.rows);
        let sought_new = self.look_up(asks_new, 1, &old.rows, &first.old.alone, &mut new).await?;
        let sought_old = self.look_up(asks_old, 0, &new.rows, &first.new.alone, &mut old).await?;
        out::progress(io::stderr().is_terminal(), "");
        let paired = pairs::pair(self.entity, &self.keys, &old.rows, &new.rows);
        Ok(self.told([&old, &new], paired, [&sought_new, &sought_old]))
    }

    /// The first records of both, at the same time.
    async fn taken(&self, sides: &mut [Side<'_>; 2]) -> Result<[Taken; 2], VerbError> {
        let most = usize::try_from(self.arguments.live.most).unwrap_or(usize::MAX);
        let shown = io::stderr().is_terminal();
        let counts = [AtomicUsize::new(0), AtomicUsize::new(0)];
        let seen = |at: &AtomicUsize, count: usize| {
            at.store(count, Ordering::Relaxed);
            let [old, new] = counts.each_ref().map(|count| count.load(Ordering::Relaxed));
            let Compare { old: before, new: after, .. } = self.arguments;
            out::progress(shown, &format!("{old} records of {before}, {new} of {after}"));
        };
        let [old_count, new_count] = &counts;
        let [old, new] = sides;
        let (old, new) = tokio::try_join!(
            old.take(&self.wanted, most, |count| seen(old_count, count)),
            new.take(&self.wanted, most, |count| seen(new_count, count)),
        )?;
        Ok([old, new])
    }

    /// Asks a system that was not read to its end for what the other has and it has not shown. Gives the places of those
    /// of which it is known now whether it has them.
    async fn look_up(
        &self,
        side: &mut Side<'_>,
        which: usize,
        others: &[Inward],
        alone: &[usize],
        taken: &mut Taken,
    ) -> Result<HashSet<usize>, VerbError> {
        if taken.is_whole {
            return Ok(alone.iter().copied().collect());
        }
        let mut unknown: HashSet<usize> = HashSet::new();
        let mut ids: HashSet<_> = taken.rows.iter().map(|row| row.id.clone()).collect();
        for key in &self.keys {
            let values: Vec<(usize, Value)> =
                alone.iter().flat_map(|at| self.values(key, others, *at)).collect();
            let can = key.leaf().and_then(|leaf| Some((leaf, self.op(which, leaf)?)));
            let Some((leaf, op)) = can else {
                unknown.extend(values.iter().map(|(at, _)| *at));
                continue;
            };
            for asked in values.chunks(if op == Op::In { ASKED_AT_ONCE } else { 1 }) {
                let filter = match asked {
                    [(_, value)] => Filter::test(leaf, Op::Eq, value.clone()),
                    several => {
                        let values = several.iter().map(|(_, value)| value.clone()).collect();
                        Filter::test(leaf, Op::In, Value::List(values))
                    }
                };
                match side.matching(&self.wanted, &filter).await? {
                    Some(rows) => {
                        let sought: HashSet<String> =
                            asked.iter().filter_map(|(_, value)| pairs::spelt(value)).collect();
                        let mut is_sought = |row: &Inward| {
                            let said = key.values(self.entity, &row.record);
                            said.iter().any(|value| sought.contains(value)) && ids.insert(row.id.clone())
                        };
                        taken.rows.extend(rows.into_iter().filter(|row| is_sought(row)));
                    }
                    None => unknown.extend(asked.iter().map(|(at, _)| *at)),
                }
            }
        }
        Ok(alone.iter().copied().filter(|at| !unknown.contains(at)).collect())
    }

    /// What a record says of a key, as it says it. Of several fields it is only told that there is something.
    fn values(&self, key: &Key, rows: &[Inward], at: usize) -> Vec<(usize, Value)> {
        let mut values = Vec::new();
        let Some(row) = rows.get(at) else { return values };
        for leaf in key.leaves().iter() {
            row.record.each(self.entity, leaf, &mut |value| {
                let is_empty = *value == Value::Null || value.as_text().is_some_and(str::is_empty);
                if !is_empty && !values.contains(&(at, value.clone())) {
                    values.push((at, value.clone()));
                }
            });
        }
        values
    }

    /// How a system can be asked for values of a field.
    fn op(&self, which: usize, leaf: LeafId) -> Option<Op> {
        let filters = &self.abilities.get(which)?.filters;
        [Op::In, Op::Eq].into_iter().find(|op| filters.contains(&(leaf, *op)))
    }

    fn told(&self, [old, new]: [&Taken; 2], paired: Paired, known: [&HashSet<usize>; 2]) -> Compared {
        let live = &self.arguments.live;
        let values = if live.show_values { Values::Shown } else { Values::Masked };
        let differ = Differ { entity: self.entity, fields: self.fields, values };
        let mut pairs = Vec::with_capacity(paired.pairs.len());
        for (one, other) in &paired.pairs {
            let (Some(one), Some(other)) = (old.rows.get(*one), new.rows.get(*other)) else { continue };
            let differences = differ.differences(&one.record, &other.record);
            pairs.push(Pair { old: one.id.clone(), new: other.id.clone(), differences });
        }
        let [known_old, known_new] = known;
        let seen = [(old, paired.old, known_old), (new, paired.new, known_new)]
            .map(|(taken, left, known)| Seen::of(taken, &left, known));
        let path = |leaf| Some(self.entity.leaf(leaf)?.path.to_string());
        Compared {
            names: [&self.arguments.old, &self.arguments.new].map(|name| SystemName::new(name.as_str())),
            collection: self.arguments.collection.clone(),
            keys: self.keys.iter().map(|key| key.name.clone()).collect(),
            fields: self.fields.iter().filter_map(path).collect(),
            seen,
            pairs,
        }
    }
}

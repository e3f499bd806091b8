//! The promises of the quota: rates are never exceeded, reloads and restarts give nothing back.

use std::{collections::HashMap, sync::atomic::AtomicBool};

use futures_util::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use proptest::prelude::*;

use super::*;
use crate::{
    clock,
    identity::CredentialId,
    words::{Diagnostics, Digest, Kind, Rate, tree},
};

const LIMITS: &str = "\
strangers: { rate: 5/s }
principals_default: small
plans:
  small: { rank: 1, rate: 2/s, per: principal, concurrency: 2 }
  big: { rank: 9, rate: 100/s, per: principal, concurrency: 50 }
  shared: { rank: 5, rate: 4/s, per: partner, concurrency: 50 }
  daily: { rank: 3, rate: 10000/s, per: principal, concurrency: 1000, quota: 250/day, fails: closed }
  lenient: { rank: 2, rate: 10000/s, per: principal, concurrency: 1000, quota: 250/day, fails: open }
";

/// Counters in memory that outlive a quota, as the store does.
#[derive(Debug, Default)]
struct Kept {
    totals: Mutex<HashMap<(String, u32), u64>>,
    away: AtomicBool,
    asked: AtomicU64,
}

impl Counters for Kept {
    fn lease<'a>(
        &'a self,
        key: &'a str,
        day: Day,
        amount: u32,
        limit: u64,
    ) -> BoxFuture<'a, Result<u32, Away>> {
        async move {
            self.asked.fetch_add(1, Ordering::Relaxed);
            // A store takes its time, also to fail; others run meanwhile.
            tokio::task::yield_now().await;
            if self.away.load(Ordering::Relaxed) {
                return Err(Away("gone".into()));
            }
            let mut totals = self.totals.lock();
            let total = totals.entry((key.to_owned(), day.0)).or_default();
            let granted = u64::from(amount).min(limit.saturating_sub(*total));
            *total += granted;
            Ok(u32::try_from(granted).unwrap())
        }
        .boxed()
    }

    fn refund<'a>(&'a self, key: &'a str, day: Day, amount: u32) -> BoxFuture<'a, Result<(), Away>> {
        async move {
            *self.totals.lock().entry((key.to_owned(), day.0)).or_default() -= u64::from(amount);
            Ok(())
        }
        .boxed()
    }
}

impl Exposures for Kept {
    fn take(&self, want: Want) -> BoxFuture<'_, Result<Given, Away>> {
        async move {
            let counts = want.purses.iter().map(|_| (0, 0)).collect();
            Ok(Given { over: vec![None; want.rows.len()], counts })
        }
        .boxed()
    }
}

fn kept_in(counters: Arc<Kept>) -> super::Kept {
    super::Kept { exposures: counters.clone(), counters, key: Digest::of(b"key") }
}

fn plans(text: &str) -> Plans {
    let mut found = Diagnostics::default();
    let plans = Plans::load(&tree::parse(&"limits.yaml".into(), text).unwrap(), &mut found);
    plans.unwrap_or_else(|| panic!("{found}"))
}

fn told(text: &str) -> String {
    let mut found = Diagnostics::default();
    assert!(Plans::load(&tree::parse(&"limits.yaml".into(), text).unwrap(), &mut found).is_none());
    found.to_string()
}

fn facts(id: &str, partner: Option<&str>, plan: Option<&str>) -> Facts {
    Facts {
        kind: Kind::Partner,
        id: id.into(),
        partner: partner.map(Into::into),
        groups: Vec::new(),
        attributes: Default::default(),
        plan: plan.map(Into::into),
        scopes: Vec::new(),
        credential: CredentialId::None,
        issued_at: None,
        expires_at: None,
        digest: Digest::of(id.as_bytes()),
    }
}

fn start() -> Now {
    Now { wall: "2026-03-01T12:00:00Z".parse().unwrap(), mono: clock::now().mono }
}

fn after(now: Now, time: Duration) -> Now {
    Now { wall: now.wall.checked_add(time).unwrap(), mono: now.mono + time }
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn quota(counters: &Arc<Kept>, now: Now) -> Quota {
    Quota::new(kept_in(counters.clone()), KeysMax::default(), now)
}

async fn charge(
    quota: &Quota,
    plans: &Plans,
    facts: &Facts,
    named: &[&str],
    now: Now,
) -> Result<Charged, Limited> {
    charge_from(quota, plans, facts, named, ip("192.0.2.1"), now).await
}

/// As who was greeted is charged.
async fn charge_from(
    quota: &Quota,
    plans: &Plans,
    facts: &Facts,
    named: &[&str],
    address: IpAddr,
    now: Now,
) -> Result<Charged, Limited> {
    let named: Vec<PlanName> = named.iter().map(|name| (*name).into()).collect();
    let plan = plans.own(facts);
    let plan = plans.plan(plan).ok_or_else(|| unknown(plan))?;
    let own = quota.handle(plan, facts, address, quota.at(now), now)?;
    quota.charge(plans, (facts, own), &named, &[], address, now).await
}

proptest! {
    /// In any span, whatever the order of moments (a clock that jumps included), no more than the burst and
    /// what the span lets grow back.
    #[test]
    fn a_rate_is_never_exceeded(
        count in 1_u32..50, burst in 1_u32..50, window in prop::sample::select(vec!["s", "m"]),
        moments in prop::collection::vec(0_u64..5_000_000_000, 1..300),
    ) {
        let rate: Rate = format!("{count}/{window}").parse().unwrap();
        let limiter = rate::Limiter::new(rate, burst.try_into().unwrap()).unwrap();
        let handle = Handle::default();
        let mut passed: Vec<u64> =
            moments.into_iter().map(|at| at + 1).filter(|at| limiter.check(&handle, *at).is_ok()).collect();
        passed.sort_unstable();
        for (first, from) in passed.iter().enumerate() {
            for (last, to) in passed.iter().enumerate().skip(first) {
                let grown = u128::from(to - from) * u128::from(count) / rate.window.as_nanos();
                prop_assert!((last - first + 1) as u128 <= u128::from(burst) + grown);
            }
        }
    }

    /// A caller that waits as long as it was told is let in, and not a moment earlier.
    #[test]
    fn waiting_as_long_as_told_is_enough(count in 1_u32..1000, burst in 1_u32..20, tries in 1_usize..60) {
        let rate: Rate = format!("{count}/s").parse().unwrap();
        let limiter = rate::Limiter::new(rate, burst.try_into().unwrap()).unwrap();
        let handle = Handle::default();
        let mut at = 1;
        for _ in 0..tries {
            if let Err(level) = limiter.check(&handle, at) {
                let wait = u64::try_from(level.wait.as_nanos()).unwrap();
                prop_assert!(limiter.check(&handle, at + wait - 1).is_err());
                at += wait;
                prop_assert!(limiter.check(&handle, at).is_ok());
            }
        }
    }
}

#[test]
fn addresses_are_limited_before_identity_and_ipv6_counts_by_its_64() {
    let (plans, now) = (plans(LIMITS), start());
    let quota = quota(&Arc::default(), now);
    for n in 0..5 {
        let neighbour = ip(&format!("2001:db8:0:1::{n:x}"));
        assert!(quota.address(&plans, neighbour, now).is_ok());
    }
    let refused = quota.address(&plans, ip("2001:db8:0:1:ffff::1"), now).unwrap_err();
    assert_eq!(
        (refused.kind, refused.retry_after, refused.retry_after_seconds()),
        (LimitKind::Rate, millis(200), 1)
    );
    assert!(quota.address(&plans, ip("2001:db8:0:2::1"), now).is_ok());
    assert!(quota.address(&plans, ip("192.0.2.1"), now).is_ok());
    // A mapped address is the same caller.
    for _ in 0..4 {
        assert!(quota.address(&plans, ip("::ffff:192.0.2.1"), now).is_ok());
    }
    assert!(quota.address(&plans, ip("192.0.2.1"), now).is_err());
    assert!(quota.address(&plans, ip("192.0.2.1"), after(now, millis(200))).is_ok());
}

#[tokio::test]
async fn the_strictest_of_all_plans_that_can_apply_refuses() {
    let (plans, now) = (plans(LIMITS), start());
    let quota = quota(&Arc::default(), now);
    let caller = facts("portal", None, Some("big"));
    for _ in 0..2 {
        assert!(charge(&quota, &plans, &caller, &["small"], now).await.is_ok());
    }
    let refused = charge(&quota, &plans, &caller, &["small"], now).await.unwrap_err();
    assert_eq!((refused.kind, refused.standing.policy.name.as_str()), (LimitKind::Rate, "small"));
    // Without the statement that names the strict plan the caller's own plan is all there is.
    assert!(charge(&quota, &plans, &caller, &[], now).await.is_ok());
    // A plan that no bundle knows admits nobody.
    assert_eq!(charge(&quota, &plans, &caller, &["gone"], now).await.unwrap_err().kind, LimitKind::Plan);
    assert_eq!(
        quota.greeted(&plans, &facts("x", None, Some("gone")), ip("::1"), now).unwrap_err().kind,
        LimitKind::Plan
    );
}

#[tokio::test]
async fn a_callers_own_rate_is_charged_when_it_is_greeted_and_not_twice() {
    let (plans, now) = (plans(LIMITS), start());
    let quota = quota(&Arc::default(), now);
    let caller = facts("portal", None, None);
    for remaining in [1, 0] {
        quota.greeted(&plans, &caller, ip("::1"), now).unwrap();
        let charged = charge(&quota, &plans, &caller, &["small"], now).await.unwrap();
        assert_eq!(charged.standing.remaining, remaining);
    }
    assert_eq!(quota.greeted(&plans, &caller, ip("::1"), now).unwrap_err().kind, LimitKind::Rate);
    // Another principal is not touched by it.
    assert!(quota.greeted(&plans, &facts("other", None, None), ip("::1"), now).is_ok());
}

#[tokio::test]
async fn a_partner_shares_one_counter_and_anonymous_callers_share_none() {
    let (plans, now) = (plans(LIMITS), start());
    let quota = quota(&Arc::default(), now);
    for n in 0..4 {
        let app = facts(&format!("app-{n}"), Some("acme"), Some("shared"));
        assert!(quota.greeted(&plans, &app, ip("::1"), now).is_ok());
    }
    assert!(quota.greeted(&plans, &facts("app-9", Some("acme"), Some("shared")), ip("::1"), now).is_err());
    assert!(quota.greeted(&plans, &facts("app-9", Some("other"), Some("shared")), ip("::1"), now).is_ok());
    let nobody = Facts { kind: Kind::Anonymous, ..facts("", None, None) };
    for _ in 0..2 {
        assert!(quota.greeted(&plans, &nobody, ip("192.0.2.1"), now).is_ok());
    }
    assert!(quota.greeted(&plans, &nobody, ip("192.0.2.1"), now).is_err());
    assert!(quota.greeted(&plans, &nobody, ip("192.0.2.2"), now).is_ok());
}

#[tokio::test]
async fn a_slot_returns_when_the_request_is_dropped() {
    let (plans, now) = (plans(LIMITS), start());
    let quota = quota(&Arc::default(), now);
    let caller = facts("portal", None, Some("small"));
    let first = charge(&quota, &plans, &caller, &[], now).await.unwrap();
    let second = charge(&quota, &plans, &caller, &[], now).await.unwrap();
    let refused = charge(&quota, &plans, &caller, &[], now).await.unwrap_err();
    assert_eq!(
        (refused.kind, refused.standing.policy.name.as_str()),
        (LimitKind::Concurrency, "small.concurrent")
    );
    drop(first);
    let third = charge(&quota, &plans, &caller, &[], now).await.unwrap();
    drop((second, third));
    // What another plan refuses holds no slot.
    for _ in 0..9 {
        drop(charge(&quota, &plans, &caller, &["gone"], now).await.unwrap_err());
    }
    assert!(charge(&quota, &plans, &caller, &[], now).await.is_ok());
}

#[tokio::test]
async fn a_part_takes_a_place_of_each_plan_that_the_whole_has_none_of_and_no_second_one_of_the_others() {
    let (plans, now) = (plans(&LIMITS.replace("rank: 1, rate: 2/s", "rank: 1, rate: 100/s")), start());
    let quota = quota(&Arc::default(), now);
    let caller = facts("portal", None, Some("big"));
    let whole = charge(&quota, &plans, &caller, &[], now).await.unwrap();
    let part = async |named: &[&str]| {
        let own = quota.greeted(&plans, &caller, ip("192.0.2.1"), now).unwrap();
        let named: Vec<PlanName> = named.iter().map(|name| (*name).into()).collect();
        quota.charge(&plans, (&caller, own), &named, &whole.slots, ip("192.0.2.1"), now).await
    };
    let (first, second) = (part(&["small"]).await.unwrap(), part(&["small"]).await.unwrap());
    assert_eq!((first.slots.len(), second.slots.len()), (1, 1));
    assert_eq!(part(&["small"]).await.unwrap_err().kind, LimitKind::Concurrency);
    assert!(part(&[]).await.unwrap().slots.is_empty(), "the place of its own plan is the whole's");
}

#[tokio::test]
async fn a_reload_neither_refills_nor_loses_counters() {
    let now = start();
    let quota = quota(&Arc::default(), now);
    let caller = facts("portal", None, Some("small"));
    let (before, same) = (plans(LIMITS), plans(LIMITS));
    let changed = plans(&LIMITS.replace("rank: 1, rate: 2/s", "rank: 1, rate: 1/s"));
    let held = charge(&quota, &before, &caller, &[], now).await.unwrap();
    for _ in 0..2 {
        quota.greeted(&before, &caller, ip("::1"), now).unwrap();
    }
    assert!(quota.greeted(&same, &caller, ip("::1"), now).is_err());
    assert!(quota.greeted(&changed, &caller, ip("::1"), now).is_err(), "a changed plan refills nothing");
    let other = charge(&quota, &changed, &caller, &[], now).await.unwrap();
    assert_eq!(charge(&quota, &changed, &caller, &[], now).await.unwrap_err().kind, LimitKind::Concurrency);
    drop((held, other));
    // A debt of the old rule does not outlive it.
    let hourly = plans(&LIMITS.replace("rank: 1, rate: 2/s", "rank: 1, rate: 2/h"));
    let slow = facts("slow", None, Some("small"));
    while quota.greeted(&hourly, &slow, ip("::1"), now).is_ok() {}
    assert!(quota.greeted(&before, &slow, ip("::1"), now).is_err());
    assert!(quota.greeted(&before, &slow, ip("::1"), after(now, millis(500))).is_ok());
}

#[tokio::test]
async fn a_restart_gives_no_quota_back_and_a_drain_loses_none() {
    let (plans, now, kept) = (plans(LIMITS), start(), Arc::new(Kept::default()));
    let caller = facts("portal", None, Some("daily"));
    let mut used = 0;
    // Five crashes: each loses at most what it had leased.
    for _ in 0..5 {
        let crashing = quota(&kept, now);
        for _ in 0..25 {
            used += u64::from(charge(&crashing, &plans, &caller, &[], now).await.is_ok());
        }
    }
    assert_eq!(used, 125);
    let drained = quota(&kept, now);
    assert!(charge(&drained, &plans, &caller, &[], now).await.is_ok());
    drained.settle().await;
    let last = quota(&kept, now);
    while charge(&last, &plans, &caller, &[], now).await.is_ok() {
        used += 1;
    }
    used += 1;
    assert!((240..=250).contains(&used), "{used}");
    let refused = charge(&last, &plans, &caller, &[], now).await.unwrap_err();
    assert_eq!((refused.kind, refused.standing.policy.name.as_str()), (LimitKind::Quota, "daily.day"));
    assert_eq!(refused.retry_after, Duration::from_secs(12 * 3600));
    // The next day is a new one, and the day before is still what it was.
    assert!(charge(&last, &plans, &caller, &[], after(now, Duration::from_secs(86_400))).await.is_ok());
    assert!(charge(&last, &plans, &caller, &[], now).await.is_err());
}

#[tokio::test]
async fn many_at_once_never_take_more_than_the_day_allows() {
    let (plans, now, kept) = (plans(LIMITS), start(), Arc::new(Kept::default()));
    let (one, two) = (quota(&kept, now), quota(&kept, now));
    let caller = facts("portal", None, Some("daily"));
    let tries = (0..600).map(|n| charge(if n % 2 == 0 { &one } else { &two }, &plans, &caller, &[], now));
    let passed = futures_util::future::join_all(tries).await.iter().filter(|charged| charged.is_ok()).count();
    assert!((246..=250).contains(&passed), "{passed}");
    // A quota that is used up is not asked for again and again.
    let asked = kept.asked.load(Ordering::Relaxed);
    for _ in 0..100 {
        assert!(charge(&one, &plans, &caller, &[], now).await.is_err());
    }
    assert!(kept.asked.load(Ordering::Relaxed) <= asked + 1);
    assert_eq!(kept.totals.lock().values().copied().collect::<Vec<_>>(), [250]);
    // A raised quota is noticed.
    let raised =
        self::plans(&LIMITS.replace("quota: 250/day, fails: closed", "quota: 260/day, fails: closed"));
    assert!(charge(&one, &raised, &caller, &[], now).await.is_ok());
}

#[tokio::test]
async fn each_plan_says_what_happens_while_the_counters_are_away() {
    let (plans, now, kept) = (plans(LIMITS), start(), Arc::new(Kept::default()));
    let quota = quota(&kept, now);
    kept.away.store(true, Ordering::Relaxed);
    let (closed, open) = (facts("a", None, Some("daily")), facts("b", None, Some("lenient")));
    assert_eq!(charge(&quota, &plans, &closed, &[], now).await.unwrap_err().kind, LimitKind::Away);
    for _ in 0..10 {
        assert!(charge(&quota, &plans, &open, &[], now).await.is_ok());
    }
    assert_eq!(
        (kept.asked.load(Ordering::Relaxed), quota.uncounted()),
        (1, 10),
        "a dead store is left alone"
    );
    // Those who wait for the same lease do not each wait for a dead store.
    let later = after(now, AWAY_FOR);
    let waiting = (0..50).map(|_| charge(&quota, &plans, &closed, &[], later));
    let refused = futures_util::future::join_all(waiting).await;
    assert!(refused.iter().all(|charged| charged.as_ref().is_err_and(|l| l.kind == LimitKind::Away)));
    assert_eq!(kept.asked.load(Ordering::Relaxed), 2);
    kept.away.store(false, Ordering::Relaxed);
    assert!(charge(&quota, &plans, &closed, &[], after(later, AWAY_FOR)).await.is_ok());
}

#[tokio::test]
async fn meters_are_bounded_and_a_newcomer_over_the_bound_is_refused() {
    let (plans, now) = (plans(LIMITS), start());
    let quota = Quota::new(kept_in(Arc::default()), KeysMax { addresses: 640, principals: 64 }, now);
    let address = |n: u32| IpAddr::from((n << 8).to_be_bytes());
    let refused = (0..10_000).filter_map(|n| quota.address(&plans, address(n), now).err());
    assert!(refused.map(|limited| limited.kind).all(|kind| kind == LimitKind::Room));
    assert_eq!(quota.counted().0, 640);
    // Strangers do not take the room of principals.
    assert!(quota.greeted(&plans, &facts("portal", None, None), ip("::1"), now).is_ok());
    // Once the first ones say nothing any more there is room again, by itself and by a sweep.
    let later = after(now, millis(1_500));
    assert!(quota.address(&plans, address(20_000), later).is_ok());
    quota.sweep(later);
    assert_eq!(quota.counted(), (1, 0));
    // Who holds a slot stays counted.
    let slot = charge(&quota, &plans, &facts("portal", None, None), &[], later).await.unwrap();
    quota.sweep(after(later, Duration::from_secs(90_000)));
    assert_eq!(quota.counted(), (0, 1));
    drop(slot);
}

#[tokio::test]
async fn strangers_never_crowd_out_the_identified_however_many_addresses_they_have() {
    let limits = LIMITS.replace("principals_default: small", "principals_default: small\nanonymous: daily");
    let (plans, now) = (plans(&limits), start());
    let kept = Arc::new(Kept::default());
    let quota = Quota::new(kept_in(kept.clone()), KeysMax { addresses: 6_400, principals: 6_400 }, now);
    let nobody = Facts { kind: Kind::Anonymous, ..facts("", None, None) };
    let address = |n: u128| IpAddr::from(((0x2001_0db8 << 96) | (n << 64)).to_be_bytes());
    let mut passed = 0_u64;
    for n in 0..10_000 {
        passed += u64::from(charge_from(&quota, &plans, &nobody, &[], address(n), now).await.is_ok());
    }
    assert!((5_000..=6_400).contains(&passed), "{passed}");
    // Their daily quota keeps them counted; newcomers have room all the same, before and after identity.
    let later = after(now, millis(60_000));
    quota.sweep(later);
    assert!(quota.counted().0 >= 5_000);
    assert!(quota.address(&plans, address(20_000), later).is_ok());
    for n in 0..20 {
        let caller = facts(&format!("new-{n}"), None, Some("daily"));
        assert!(charge(&quota, &plans, &caller, &[], later).await.is_ok(), "{n}");
    }
    // What was leased for them and not used goes back as well.
    quota.settle().await;
    assert_eq!(kept.totals.lock().values().sum::<u64>(), passed + 20);
}

#[tokio::test]
async fn callers_are_told_in_structured_fields() {
    let (plans, now) = (plans(LIMITS), start());
    let quota = quota(&Arc::default(), now);
    let caller = facts("portal", None, Some("daily"));
    let charged = charge(&quota, &plans, &caller, &["small"], now).await.unwrap();
    let (policy, limit) = headers(&charged.standing);
    assert_eq!(policy, r#""small";q=2;w=1, "small.concurrent";q=2;qu="concurrent-requests""#);
    assert_eq!(limit, r#""small";r=1;t=1"#);
    let daily = plans.plan(&"daily".into()).unwrap();
    let (policy, _) = headers(&standing(&daily.policies.rate, daily.rate.level(&Handle::default(), 1)));
    let parsed = sfv::Parser::new(policy.to_str().unwrap()).parse::<sfv::List>().unwrap();
    assert_eq!(parsed.len(), 3);
    let parsed = sfv::Parser::new(limit.to_str().unwrap()).parse::<sfv::List>().unwrap();
    assert_eq!(parsed.len(), 1);
}

#[tokio::test]
async fn a_burst_above_the_rate_is_told_as_the_limit_so_that_what_remains_fits_it() {
    for (line, told) in [
        ("rate: 10/s, burst: 25", r#""wide";q=25;w=3, "#),
        ("rate: 600/m, burst: 601", r#""wide";q=601;w=61, "#),
        ("rate: 10/s, burst: 5", r#""wide";q=10;w=1, "#),
        ("rate: 10/s", r#""wide";q=10;w=1, "#),
    ] {
        let limits = format!(
            "strangers: {{ rate: 5/s }}\nprincipals_default: wide\nplans:\n  \
             wide: {{ rank: 1, {line}, per: principal, concurrency: 1000 }}\n"
        );
        let quota = quota(&Arc::default(), start());
        let caller = facts("portal", None, Some("wide"));
        let charged = charge(&quota, &plans(&limits), &caller, &[], start()).await.unwrap();
        let (policy, _) = headers(&charged.standing);
        assert!(policy.to_str().unwrap().starts_with(told), "{line}: {policy:?}");
        assert!(charged.standing.remaining <= charged.standing.policy.limit, "{line}");
    }
}

#[test]
fn every_mistake_of_limits_yaml_is_told_at_once() {
    let told = told(
        "strangers: { rate: 5 }\nprincipals_default: intern\nplans:\n  \
         internal: { rank: 1, rate: 10/s, per: principle, concurrency: 1 }\n  \
         Slow: { rank: 2, rate: 0/s, burst: 0, per: partner, concurrency: 0, quota: 5, failing: open }\n",
    );
    insta::assert_snapshot!(told, @r"
limits.yaml:1:20: error: `5` is not a rate; write how many and in what, as in `10/s` (s, m, h)
limits.yaml:4:41: error: `principle` is not known here (did you mean `principal`?)
limits.yaml:5:26: error: a rate's count is between 1 and 1000000
limits.yaml:5:78: error: `5` is not a quota; write how many a day, as in `100000/day`
limits.yaml:5:81: error: unknown key `failing` (expected one of: rank, rate, burst, per, concurrency, quota, exposure, fails)
");
}

#[test]
fn names_and_bounds_of_plans_are_checked() {
    let told = told(
        "strangers: { rate: 1/h, burst: 1000 }\nprincipals_default: intern\nanonymous: none\nplans:\n  \
         internal: { rank: 1, rate: 10/s, burst: 0, per: principal, concurrency: 0 }\n  \
         strangers: { rank: 1, rate: 10/s, per: principal, concurrency: 1 }\n  \
         \"a b\": { rank: 2, rate: 1/s, per: partner, concurrency: 2 }\n",
    );
    insta::assert_snapshot!(told, @r"
limits.yaml:1:20: error: at this rate the burst takes more than 31 days to come back
limits.yaml:5:43: error: `burst` is between 1 and 1000000
limits.yaml:5:75: error: `concurrency` is between 1 and 1000000
limits.yaml:6:3: error: `strangers` is the limit before identity; give the plan another name
limits.yaml:7:3: error: `a b` is no name of a plan: small letters, digits and `-`, at most 64
limits.yaml:2:21: error: there is no plan `intern` (did you mean `internal`?)
limits.yaml:3:12: error: there is no plan `none` (expected one of: internal, strangers, a b)
");
}

/// Compiles only while an admission and the wait for it can move between threads.
#[expect(dead_code, reason = "the compiler is the test")]
fn admission_can_move_between_threads(
    quota: &Quota,
    plans: &Plans,
    greeted: Greeted,
    prospect: Prospect,
    now: Now,
) {
    fn is_send<T: Send>(_: T) {}
    is_send(quota.admit(plans, greeted, prospect, ip("::1"), now));
    is_send(None::<Admission>);
}

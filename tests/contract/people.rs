//! The customers that every CRM holds, before they are put into its shape.

use bramka::demo::seed;

/// How many there are.
pub(crate) const ALL: usize = seed::CONTACTS;

const NAMES: [&str; 11] = [
    "Hurtownia Nowak",
    "O'Brien & Sons",
    "Łódzkie Zakłady",
    "Back\\slash GmbH",
    "100% Bawełna",
    "snake_case s.r.o.",
    "Quote \" Quote",
    "Müller, Meier (Wien)",
    "Acme",
    "acme",
    "Plus + Minus",
];
const GIVEN: [&str; 4] = ["Ewa", "Jan", "Zofia", "Łucja"];
const CITIES: [(&str, &str, &str); 5] = [
    ("Warszawa", "00-001", "PL"),
    ("Kraków", "30-002", "PL"),
    ("Berlin", "10115", "DE"),
    ("L'Aquila", "67100", "IT"),
    ("Wien", "1010", "AT"),
];

/// A customer.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) n: usize,
    pub(crate) company: String,
    pub(crate) given: &'static str,
    pub(crate) email: String,
    pub(crate) phone: Option<String>,
    pub(crate) street: String,
    pub(crate) city: &'static str,
    pub(crate) post_code: &'static str,
    pub(crate) country: &'static str,
}

/// All of them, the same on every start.
pub(crate) fn all() -> Vec<Person> {
    let one = |n: usize| {
        let (city, post_code, country) = CITIES[n % CITIES.len()];
        Person {
            n,
            given: GIVEN[n % GIVEN.len()],
            company: format!("{} {n}", NAMES[n % NAMES.len()]),
            email: format!("biuro{n}@example.com"),
            phone: (!n.is_multiple_of(3)).then(|| format!("+48 22 555 {n:04}")),
            street: format!("ul. Długa {}", n + 1),
            city,
            post_code,
            country,
        }
    };
    (0..ALL).map(one).collect()
}

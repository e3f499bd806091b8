//! The records of one shop, as nobody's dialect has them: every stand-in sells the same goods to the same people.

use jiff::{SignedDuration, Timestamp};

/// How many of each there are: more than a page of any of the shops.
pub(super) const CUSTOMERS: usize = 57;
pub(super) const PRODUCTS: usize = 130;
pub(super) const ORDERS: usize = 43;

/// Somebody who buys.
pub(super) struct Customer {
    pub(super) number: usize,
    pub(super) given: String,
    pub(super) family: String,
    pub(super) email: String,
    pub(super) made: Timestamp,
}

/// Something sold.
pub(super) struct Product {
    pub(super) number: usize,
    pub(super) sku: String,
    pub(super) name: String,
    /// As a decimal text with two digits.
    pub(super) price: String,
    pub(super) is_sold: bool,
    pub(super) stock: usize,
    pub(super) made: Timestamp,
    pub(super) changed: Timestamp,
}

/// Something bought: products by their number, and how many.
pub(super) struct Order {
    pub(super) number: usize,
    pub(super) customer: usize,
    pub(super) lines: Vec<(usize, usize)>,
    pub(super) made: Timestamp,
}

/// A moment after the shop opened, in an hour that no clock shows twice.
fn at(hours: usize) -> Timestamp {
    let opened: Timestamp = "2025-05-02T08:00:00Z".parse().unwrap();
    opened.checked_add(SignedDuration::from_hours(i64::try_from(hours).unwrap())).unwrap()
}

pub(super) fn customers() -> Vec<Customer> {
    let given = ["Ewa", "Jan", "Zofia", "Piotr", "Maja"];
    let family = ["Nowak", "O'Brien", "Wójcik", "D\"Arc", "Lis & Syn", "Kowalska | Ska"];
    (1..=CUSTOMERS)
        .map(|number| Customer {
            number,
            given: given[number % given.len()].to_owned(),
            family: family[number % family.len()].to_owned(),
            email: format!("buyer{number}@example.com"),
            made: at(number * 3),
        })
        .collect()
}

pub(super) fn products() -> Vec<Product> {
    let names = ["Desk lamp", "Chair, oak", "Paper <A4> & more", "Box [small]", "50% wool rug"];
    (1..=PRODUCTS)
        .map(|number| Product {
            number,
            sku: format!("ART-{number:04}"),
            name: format!("{} {number}", names[number % names.len()]),
            price: format!("{}.{:02}", 5 + number % 90, number * 7 % 100),
            is_sold: number % 4 != 0,
            stock: number * 5 % 37,
            made: at(number),
            // Not in the order of their numbers, and each at an hour of its own.
            changed: at(1000 + number * 37 % 131),
        })
        .collect()
}

pub(super) fn orders() -> Vec<Order> {
    (1..=ORDERS)
        .map(|number| Order {
            number,
            customer: 1 + number * 3 % CUSTOMERS,
            lines: (0..=number % 3).map(|n| (1 + (number * 11 + n) % PRODUCTS, 1 + n)).collect(),
            made: at(number * 5),
        })
        .collect()
}

/// What a product costs so often, in hundredths.
pub(super) fn cents(price: &str, quantity: usize) -> usize {
    price.replace('.', "").parse::<usize>().unwrap() * quantity
}

/// Hundredths as a decimal text.
pub(super) fn money(cents: usize) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

/// Whether an order was placed at prices that hold tax.
pub(super) fn is_taxed(order: &Order) -> bool {
    order.number % 4 == 3
}

/// A price with 23 % tax, in whole hundredths.
pub(super) fn gross(price: &str) -> String {
    money((cents(price, 1) * 123 + 50) / 100)
}

/// What is charged for an order, with its tax.
pub(super) fn total(order: &Order, goods: &[Product]) -> usize {
    let of = |number: &usize| match is_taxed(order) {
        true => gross(&goods[number - 1].price),
        false => goods[number - 1].price.clone(),
    };
    order.lines.iter().map(|(number, quantity)| cents(&of(number), *quantity)).sum()
}

/// The tax in it.
pub(super) fn tax(order: &Order, goods: &[Product]) -> String {
    money(total(order, goods) - net(order, goods))
}

/// What an order comes to before tax.
pub(super) fn net(order: &Order, goods: &[Product]) -> usize {
    order.lines.iter().map(|(number, quantity)| cents(&goods[number - 1].price, *quantity)).sum()
}

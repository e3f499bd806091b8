"""Makes the databases of a small company in Tryton: `seed.py DIRECTORY` leaves `DIRECTORY/erp.sqlite`, and the same
company after it has traded for a while in `DIRECTORY/trade/erp.sqlite`: that is what the contract of ERPs asks.

The company is in Warsaw and keeps its books in PLN. It has a chart of accounts as far as sales need one, three
products, two warehouses with stock, and a user `admin` whose password is `admin`. Records that the tests name have
fixed codes; their numbers are Tryton's.
"""

import datetime
import os
import pathlib
import shutil
import subprocess
import sys
from decimal import Decimal

MODULES = ["sale", "stock", "account", "party", "product"]
PASSWORD = "admin"


def configured(folder):
    from trytond import config

    config.set("database", "uri", "sqlite://")
    config.set("database", "path", str(folder))
    # Hashing a password well takes a second, and this one is no secret.
    config.set("password", "length", "4")
    return config


def empty(folder):
    """The tables, by Tryton's own tool."""
    (folder / "erp.sqlite").touch()
    settings = folder / "trytond.conf"
    settings.write_text(f"[database]\nuri = sqlite://\npath = {folder}\n[password]\nlength = 4\n")
    secret = folder / "password"
    secret.write_text(PASSWORD + "\n")
    subprocess.run(
        [
            pathlib.Path(sys.executable).with_name("trytond-admin"),
            "-c", settings, "-d", "erp", "--activate-dependencies", "--email", "admin@example.com",
            "-u", *MODULES,
        ],
        env={**os.environ, "TRYTONPASSFILE": str(secret)},
        check=True,
    )


def company(pool):
    Currency, Country = pool.get("currency.currency"), pool.get("country.country")
    Party, Company, User = pool.get("party.party"), pool.get("company.company"), pool.get("res.user")
    zloty, _ = Currency.create([
        {"name": "Zloty", "code": "PLN", "symbol": "zł", "rates": [("create", [{"rate": Decimal(1)}])]},
        {"name": "Euro", "code": "EUR", "symbol": "€", "rates": [("create", [{"rate": Decimal("0.25")}])]},
    ])
    Country.create([{"name": "Poland", "code": "PL"}, {"name": "Germany", "code": "DE"}])
    own, = Party.create([{"name": "Lampy Sp. z o.o.", "code": "OWN"}])
    made, = Company.create([{"party": own.id, "currency": zloty.id, "timezone": "Europe/Warsaw"}])
    User.write(User.search([]), {"companies": [("add", [made.id])], "company": made.id})
    return made.id


def accounts(pool, made):
    """The minimal chart that comes with Tryton; its accounts of receivables and payables are the defaults."""
    Template, Account = pool.get("account.account.template"), pool.get("account.account")
    root, = Template.search([("parent", "=", None)], limit=1)
    Wizard = pool.get("account.create_chart", type="wizard")
    session, _, _ = Wizard.create()
    wizard = Wizard(session)
    wizard.account.account_template = root
    wizard.account.company = made
    wizard.transition_create_account()
    receivable, = Account.search([("type.receivable", "=", True), ("closed", "=", False)], limit=1)
    payable, = Account.search([("type.payable", "=", True), ("closed", "=", False)], limit=1)
    wizard.properties.company = made
    wizard.properties.account_receivable = receivable
    wizard.properties.account_payable = payable
    wizard.transition_create_properties()
    revenue, = Account.search([("type.revenue", "=", True), ("closed", "=", False)], limit=1)
    expense, = Account.search([("type.expense", "=", True), ("closed", "=", False)], limit=1)
    return revenue, expense


def products(pool, revenue, expense):
    Category, Template, Unit = (
        pool.get("product.category"), pool.get("product.template"), pool.get("product.uom"))
    category, = Category.create([{
        "name": "Goods", "accounting": True, "account_revenue": revenue.id, "account_expense": expense.id}])
    unit, = Unit.search([("symbol", "=", "u")])
    kilogram, = Unit.search([("symbol", "=", "kg")])
    hour, = Unit.search([("symbol", "=", "h")])
    rows = [
        ("LAMP-1", "Lamp", "goods", unit, "19.90", "7.5"),
        ("SAND-1", "Sand", "goods", kilogram, "0.3333", "0.1"),
        ("HELP-1", "Help by the hour", "service", hour, "120", "40"),
    ]
    made = Template.create([{
        "name": name, "type": kind, "default_uom": uom.id, "list_price": Decimal(price),
        "salable": True, "sale_uom": uom.id, "account_category": category.id,
        "products": [("create", [{"suffix_code": code, "cost_price": Decimal(cost)}])],
    } for code, name, kind, uom, price, cost in rows])
    return [template.products[0] for template in made]


def stock(pool, goods):
    Location, Inventory = pool.get("stock.location"), pool.get("stock.inventory")
    first, = Location.search([("type", "=", "warehouse")])
    second, = Location.copy([first], {"code": "WH2", "name": "Second warehouse"})
    counts = {first: ["40", "12.5"], second: ["2", None]}
    for warehouse, numbers in counts.items():
        lines = [{"product": product.id, "quantity": float(number)}
                 for product, number in zip(goods, numbers) if number]
        made = Inventory.create([{
            "location": warehouse.storage_location.id, "empty_quantity": "keep",
            "lines": [("create", lines)]}])
        Inventory.confirm(made)


def customers(pool):
    Party, Country = pool.get("party.party"), pool.get("country.country")
    poland, = Country.search([("code", "=", "PL")])
    rows = [("C-1", "Anna Nowak", "Kraków"), ("C-2", "Baltic Sp. z o.o.", "Gdańsk"), ("C-3", "Cyan GmbH", "Gdańsk")]
    Party.create([{
        "code": code, "name": name,
        "addresses": [("create", [{
            "street": "Długa 1", "postal_code": "80-831", "city": city, "country": poland.id}])],
        "contact_mechanisms": [("create", [
            {"type": "email", "value": f"{code.lower()}@example.com"}, {"type": "phone", "value": "+48585550100"}])],
        "identifiers": [("create", [{"type": "pl_vat", "code": "5260250274"}])] if code == "C-2" else [],
    } for code, name, city in rows])


GOODS, BUYERS, ORDERS = 120, 24, 96


def catalogue(pool):
    """Goods that are counted to the thousandth, each in stock."""
    Template, Unit, Category = (
        pool.get("product.template"), pool.get("product.uom"), pool.get("product.category"))
    Location, Inventory = pool.get("stock.location"), pool.get("stock.inventory")
    category, = Category.search([("accounting", "=", True)])
    unit, = Unit.search([("symbol", "=", "u")])
    Unit.write([unit], {"digits": 3, "rounding": 0.001})
    warehouse, = Location.search([("type", "=", "warehouse"), ("code", "=", "WH")])
    # LIMIT: SQLite cannot compare many new records with each other at once.
    for first in range(0, GOODS, 20):
        made = Template.create([{
            "name": f"Good {number}", "type": "goods", "default_uom": unit.id, "list_price": Decimal(number),
            "salable": True, "sale_uom": unit.id, "account_category": category.id,
            "products": [("create", [{"suffix_code": f"G-{number:03}"}])],
        } for number in range(first + 1, first + 21)])
        lines = [{"product": template.products[0].id, "quantity": 10.5} for template in made]
        count, = Inventory.create([{
            "location": warehouse.storage_location.id, "empty_quantity": "keep", "lines": [("create", lines)]}])
        Inventory.confirm([count])


def buyers(pool):
    Party, Country = pool.get("party.party"), pool.get("country.country")
    poland, = Country.search([("code", "=", "PL")])
    names = ["O'Brien & Sons", 'Dom "Lamp"', "Back\\slash GmbH", "100% Bawełna", "snake_case s.r.o."]
    Party.create([{
        "code": f"B-{number:02}", "name": names[number] if number < len(names) else f"Buyer {number}",
        "addresses": [("create", [{
            "street": f"Morska {number + 1}", "postal_code": "81-001", "city": "Gdynia", "country": poland.id}])],
    } for number in range(BUYERS)])


def orders(pool, numbers):
    """Drafts that were offered already, so that they have numbers; the last few are confirmed."""
    Sale, Party, Product, Location, Currency = (
        pool.get("sale.sale"), pool.get("party.party"), pool.get("product.product"), pool.get("stock.location"),
        pool.get("currency.currency"))
    warehouse, = Location.search([("type", "=", "warehouse"), ("code", "=", "WH")])
    unit = Product.search([("code", "=", "G-001")])[0].default_uom

    def line(number):
        good, = Product.search([("code", "=", f"G-{number % GOODS + 1:03}")])
        return {"type": "line", "product": good.id, "unit": unit.id, "quantity": float(number % 5 + 1),
                "unit_price": Decimal(number % 90 + 10) / 4}

    def order(number):
        party, = Party.search([("code", "=", f"B-{number % BUYERS:02}")])
        currency, = Currency.search([("code", "=", "EUR" if number % 3 else "PLN")])
        return {
            "party": party.id, "invoice_address": party.addresses[0].id, "shipment_address": party.addresses[0].id,
            "warehouse": warehouse.id, "currency": currency.id,
            "reference": f"PO-{number:04}" if number % 4 else None,
            "sale_date": datetime.date(2026, 1, 1) + datetime.timedelta(days=number * 7 % 300),
            "lines": [("create", [line(number * 3 + at) for at in range(number % 3 + 1)])],
        }

    made = Sale.create([order(number) for number in numbers])
    Sale.quote(made)
    if numbers[-1] < ORDERS - 8:
        Sale.draft(made)
    else:
        Sale.confirm(made)


def traded(folder):
    shutil.copy(folder.parent / "erp.sqlite", folder / "erp.sqlite")
    pool = opened(folder)
    company, = done(lambda: [one.id for one in pool.get("company.company").search([])])
    context = {"company": company, "companies": [company]}
    done(lambda: (catalogue(pool), buyers(pool)), context)
    # In several steps, so that they changed at several moments.
    for first in range(0, ORDERS, 8):
        done(lambda: orders(pool, range(first, first + 8)), context)


def opened(folder):
    configured(folder)
    from trytond.pool import Pool

    Pool.start()
    pool = Pool("erp")
    pool.init()
    return pool


def main(folder):
    folder = pathlib.Path(folder).resolve()
    empty(folder)
    pool = opened(folder)
    made = done(lambda: company(pool))

    def everything():
        revenue, expense = accounts(pool, pool.get("company.company")(made))
        stock(pool, products(pool, revenue, expense))
        customers(pool)

    done(everything, {"company": made, "companies": [made]})
    # A process has one place for its databases.
    (folder / "trade").mkdir(exist_ok=True)
    subprocess.run([sys.executable, __file__, folder / "trade", "traded"], check=True)


def done(work, context=None):
    """One transaction; begun again, as Tryton's server does it, where it finds that it needs a table for itself."""
    from trytond.transaction import Transaction, TransactionError

    extras = {}
    while True:
        with Transaction().start("erp", 1, context=context, **extras) as transaction:
            try:
                return work()
            except TransactionError as error:
                transaction.rollback()
                error.fix(extras)


if __name__ == "__main__":
    if sys.argv[2:] == ["traded"]:
        traded(pathlib.Path(sys.argv[1]).resolve())
    else:
        main(sys.argv[1])

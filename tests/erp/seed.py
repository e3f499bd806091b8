"""Makes the database of a small company in Tryton: `seed.py DIRECTORY` leaves `DIRECTORY/erp.sqlite`.

The company is in Warsaw and keeps its books in PLN. It has a chart of accounts as far as sales need one, three
products, two warehouses with stock, and a user `admin` whose password is `admin`. Records that the tests name have
fixed codes; their numbers are Tryton's.
"""

import os
import pathlib
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


def main(folder):
    folder = pathlib.Path(folder).resolve()
    empty(folder)
    configured(folder)
    from trytond.pool import Pool

    Pool.start()
    pool = Pool("erp")
    pool.init()
    made = done(lambda: company(pool))

    def everything():
        revenue, expense = accounts(pool, pool.get("company.company")(made))
        stock(pool, products(pool, revenue, expense))
        customers(pool)

    done(everything, {"company": made, "companies": [made]})


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
    main(sys.argv[1])

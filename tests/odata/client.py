"""An OData client written by others (python-odata) reads the door; its schemas by others judge `$metadata`.

    python client.py read        what the client made of the service, as one JSON object
    python client.py validate    `$metadata` from standard input: how many faults the OASIS schemas find, as JSON

`read` is told by the environment where the service is: SERVICE, CA, USER and PASSWORD. Nothing else is looked up, and
no proxy of the environment is used. The client is used as its own pages say, with no case made for this service.
"""

import json
import os
import sys
from pathlib import Path


def read():
    import requests
    from odata import ODataService

    session = requests.Session()
    session.trust_env = False
    session.verify = os.environ["CA"]
    session.auth = (os.environ["USER"], os.environ["PASSWORD"])
    service = ODataService(os.environ["SERVICE"], reflect_entities=True, session=session, quiet_progress=True)
    order = service.entities["orders"]
    customer = service.entities["customers"]
    level = service.entities["stock_levels"]
    orders = service.query(order)

    def ids(query):
        return [row.id for row in query.all()]

    first = orders.first()
    # The address that the client itself makes of a record's key.
    by_key = service.default_context.connection.execute_get(first.__odata__.instance_url)
    told = {
        "sets": sorted(service.entities),
        "properties": sorted(name for name in vars(order) if not name.startswith("_"))
        or sorted(name for base in order.__mro__ for name in vars(base) if not name.startswith("_")),
        "all": ids(orders),
        "count": orders.count(),
        "first": {
            "id": first.id,
            "number": first.number,
            "total": str(first.tax_inclusive_total),
            "updated_at": first.updated_at.isoformat(),
            "lines": len(first.lines),
        },
        "by_key": by_key,
        "got": orders.get(first.id).number,
        "selected": orders.select(order.number, order.currency).limit(3).all(),
        "window": ids(orders.offset(30).limit(20)),
        "counted_window": orders.limit(20).count(),
        "newest": ids(orders.order_by(order.ordered_on.desc(), order.number.asc()).limit(25)),
        "quoted": [row.family_name for row in service.query(customer).filter(customer.family_name == "O'Brien")],
    }
    # What stands beside a record: with it, or by a request of the client's own.
    told["expanded"] = [[row.number for row in one.invoices] for one in orders.expand(order.invoices).limit(20)]
    # Lines of orders as a table of their own.
    line = service.entities["order_lines"]
    lines = service.query(line)

    def places(query):
        return [[row.order_id, row.row] for row in query.all()]

    told["rows"] = places(lines)
    told["rows_counted"] = lines.count()
    told["rows_window"] = places(lines.offset(45).limit(70))
    told["rows_most"] = [str(row.quantity) for row in lines.order_by(line.quantity.desc(), line.row.asc()).limit(190)]
    told["rows_found"] = places(lines.filter(line.quantity > 5).filter("order/status eq 'open'"))
    told["rows_found_counted"] = lines.filter("quantity gt 5 or order/status eq 'open'").count()
    told["rows_selected"] = lines.select(line.sku, line.quantity).limit(3).all()
    told["rows_order"] = [[row.row, row.order.number] for row in lines.expand(line.order).limit(5)]
    named = service.query(level).expand(level.product_record)
    told["named"] = [[row.sku, row.product_record.sku] for row in named]
    told["followed"] = [row.number for row in first.invoices]
    filters = {
        "eq": order.status == "open",
        "ne": order.status != "open",
        "and": (order.status == "open") & (order.currency == "EUR"),
        "or": (order.status == "draft") | (order.currency == "USD"),
        "not": order.buyer_reference.lacks("PO-000"),
        "not_brackets": "not (status eq 'open')",
        "in": "status in ('draft', 'on_hold')",
        "contains": order.buyer_reference.contains("PO-000"),
        "startswith": order.number.startswith("S-ORD1010"),
        "decimal": order.tax_inclusive_total > 2500.5,
        "null": order.requested_on.is_null(),
        "any": "lines/any(l: l/sku eq '1007')",
        "fields": "ordered_on lt requested_on",
        "fields_of_lines": "lines/any(l: l/line_net_total gt l/net_price)",
        "worked_out": "tax_total mul 5 ge tax_exclusive_total and tax_exclusive_total divby 3 gt 300.5",
        "now": "updated_at lt now() sub duration'P7D' and year(ordered_on) le year(now())",
    }
    told["filters"] = {name: ids(orders.filter(wanted)) for name, wanted in filters.items()}
    told["counts"] = {name: orders.filter(wanted).count() for name, wanted in filters.items()}
    told["refused"] = refused(lambda: orders.filter("nothing eq 1").all())
    return told


def refused(call):
    from odata.exceptions import ODataError

    try:
        call()
    except ODataError as error:
        return {"status": error.status_code, "code": error.code, "message": error.message}
    return None


def validate():
    import xmlschema

    # The schemas that OASIS ships in its own package; nothing is fetched.
    schemas = Path(__file__).parent / "node_modules/odata-csdl/schemas/edmx.xsd"
    schema = xmlschema.XMLSchema11(str(schemas), allow="local")
    document = sys.stdin.buffer.read().decode("utf-8")
    found = [f"{error.path}: {error.reason}" for error in schema.iter_errors(document)]
    return {"version": schema.xsd_version, "faults": found[:20]}


if __name__ == "__main__":
    print(json.dumps({"read": read, "validate": validate}[sys.argv[1]]()))

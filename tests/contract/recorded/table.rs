//! What each body is: which shipped file reads it, as which entity, and where it is not used, why.

use super::lines::{
    Apart, Is, Line, Of, On, create, error, foreign, headed, made, none, of, page, record, turned, within,
};

/// Header fields of a list whose pages are counted there.
const ONE_PAGE: &[(&str, &str)] = &[("x-wp-totalpages", "1")];
const ONE_PAGE_OF_CONTACTS: &[(&str, &str)] = &[("totalpages", "1")];
/// What `A_Product` and its like stand in.
const RESULTS: (&str, &str) = (r#"{"d":{"results":"#, "}}");
/// What a contractor stands in.
const CONTRACTORS: (&str, &str) = (
    "<api><contractors>",
    "<parameters><total>1</total></parameters></contractors><status><code>OK</code></status></api>",
);

/// What Salesforce is sent around a new account.
const COMPOSITE: (&str, &str) = (
    r#"{"allOrNone":true,"compositeRequest":[{"method":"POST","url":"/services/data/v59.0/sobjects/Account","referenceId":"made","body":"#,
    r#"},{"method":"GET","url":"/services/data/v59.0/sobjects/Account/@{made.id}","referenceId":"read"}]}"#,
);
const ALONE: &str = "the answer to a create by itself; the gate makes and reads in one composite request";

/// Every body.
pub(super) const LINES: &[Line] = &[
    // Adobe Commerce B2B.
    none(
        "b2b-portal-magento/company.create.response.json",
        "not served: companies of a partner portal are no entity of the file",
    ),
    none(
        "b2b-portal-magento/company_credit.get.json",
        "not served: Customer.credit of a company is told under an address of its own",
    ),
    none(
        "b2b-portal-magento/shared_catalog.get.json",
        "not served: a price list of a group of partners (Price)",
    ),
    none("b2b-portal-magento/shared_catalog.products.json", "not served: what a price list holds (Price)"),
    // Dataverse.
    page("dataverse/accounts.list.formatted.json", "dataverse", "Customer"),
    turned(
        "dataverse/contacts.page1.json",
        "dataverse-contacts",
        "Customer",
        &[("[Organization URI]", "https://example.crm4.dynamics.com")],
    ),
    // Business Central.
    none("dynamics-bc/company.get.json", "the company is in the address of the file"),
    create(
        "dynamics-bc/customer.create.request.json",
        "erp",
        "Customer",
        r#"{ "kind": "company", "name": "Adatum Corporation", "currency": "USD", "status": "active", "emails": [{ "value": "robert.townes@contoso.com" }],
             "addresses": [{ "role": "billing", "line1": "192 Market Square", "city": "Atlanta", "subdivision": "GA", "post_code": "31772", "country": "US" }] }"#,
        &[
            (Apart::Less, "addressLine2", "nothing is nothing"),
            (Apart::Less, "phoneNumber", "nothing is nothing"),
            (Apart::Less, "website", "nothing is nothing"),
            (Apart::Less, "taxRegistrationNumber", "nothing is nothing"),
            (Apart::Less, "taxLiable", "not mapped: taxes are the books' own"),
            (Apart::Less, "taxAreaId", "not mapped: taxes are the books' own"),
            (Apart::Less, "currencyId", "the code says it"),
            (Apart::Less, "paymentTermsId", "terms of payment are chosen in Business Central"),
            (Apart::Less, "shipmentMethodId", "not mapped: how goods are sent is said by the order"),
            (Apart::Less, "paymentMethodId", "not mapped: means of payment are the books' own"),
        ],
    ),
    made("dynamics-bc/customer.create.response.json", "erp", "Customer"),
    within("dynamics-bc/customer.get.json", "erp", "Customer", (r#"{"value":["#, "]}")),
    create(
        "dynamics-bc/item.create.request.json",
        "erp",
        "Product",
        r#"{ "sku": "1896-S", "name": "ATHENS Desk", "kind": "goods", "category": "TABLE", "unit": "H87", "tax_category": "S",
             "list_price": { "net_price": "1000.80", "currency": "USD", "tax_included": false }, "unit_cost": "780.7", "status": "active" }"#,
        &[
            (Apart::Less, "itemCategoryId", "the code says it"),
            (Apart::Less, "taxGroupId", "the code says it"),
            (
                Apart::Other,
                "taxGroupCode",
                "of groups that mean the same the file names the one of a new record",
            ),
            (Apart::Less, "baseUnitOfMeasureId", "the code says it"),
            (Apart::Less, "gtin", "nothing is nothing"),
        ],
    ),
    made("dynamics-bc/item.create.response.json", "erp", "Product"),
    none("dynamics-bc/item_ledger_entry.get.json", "not served: a movement of stock is no entity"),
    none("dynamics-bc/location.get.json", "not served: stock is of the whole company"),
    record("dynamics-bc/sales_order.get.json", "erp", "Order"),
    within(
        "dynamics-bc/sales_order_line.get.json",
        "erp",
        "Order",
        (
            r#"{"value":[{"id":"b6f4017a-b749-ee11-ad0b-a1422c0f7f1f","number":"101005","currencyCode":"USD","salesOrderLines":["#,
            "]}]}",
        ),
    ),
    // The page's own id is one digit short.
    Line {
        file: "dynamics-bc/sales_shipment.get.json",
        is: Is::Record(Of { turned: &[("00155df3a61", "00155df3a610")], ..of("erp", "Shipment") }),
    },
    none("dynamics-bc/webhook.notification.json", "the gate takes no notifications"),
    // Finance and Operations.
    none("dynamics-fo/payment_terms.list.json", "terms of payment are told by their code"),
    create(
        "dynamics-fo/sales_order.create.request.json",
        "finance-operations",
        "Order",
        r#"{ "customer": "ACM-000117", "currency": "USD", "lines": [{ "sku": "D0001", "quantity": "1" }] }"#,
        &[
            (Apart::Less, "InvoiceCustomerAccountNumber", "who is invoiced follows the customer"),
            (Apart::Less, "LanguageId", "not mapped: the language follows the customer"),
        ],
    ),
    made("dynamics-fo/sales_order.create.response.json", "finance-operations", "Order"),
    record("dynamics-fo/sales_order.get.json", "finance-operations", "Order"),
    turned(
        "dynamics-fo/sales_order_lines.list.json",
        "finance-operations",
        "Order",
        &[
            (
                "\"value\": [",
                "\"value\": [ { \"dataAreaId\": \"usmf\", \"SalesOrderNumber\": \"ACM-000803\", \"SalesOrderLines\": [",
            ),
            ("\n  ]\n}", "\n  ] } ] }"),
        ],
    ),
    none("dynamics-fo/warehouses.list.json", "not served: a warehouse is no entity"),
    // Fakturownia.
    create(
        "fakturownia/client.create.request.json",
        "fakturownia",
        "Customer",
        r#"{ "name": "Młyn i Syn", "tax_ids": [{ "scheme": "PL:NIP", "value": "5260250274" }], "emails": [{ "value": "biuro@mlyn.example" }],
             "phones": [{ "value": "76 555 03 03" }], "addresses": [{ "role": "billing", "line1": "ul. Młyńska 5", "post_code": "59-400", "city": "Jawor" }] }"#,
        &[
            (Apart::Less, "api_token", "the sign-in is the gate's own: it goes where the file says"),
            (Apart::Less, "client.bank", "the shared schema has no account of a customer"),
            (Apart::Less, "client.bank_account", "the shared schema has no account of a customer"),
            (Apart::Less, "client.country", "nothing is nothing"),
            (Apart::Less, "client.person", "a company and its person are two customers"),
        ],
    ),
    error("fakturownia/error.validation.json", "fakturownia", "Invoice", 422, On::Write),
    create(
        "fakturownia/invoice.create.request.json",
        "fakturownia",
        "Invoice",
        r#"{ "type_code": "380", "customer": "2432393", "issue_date": "2026-02-03", "delivery_date": "2026-02-02", "due_date": "2026-02-17", "currency": "PLN",
             "lines": [ { "description": "Lampa mosiężna", "quantity": "1", "net_price": "200.00", "tax_category": "S", "tax_rate": "23" },
                        { "description": "Szkolenie", "quantity": "4", "net_price": "20.00", "tax_category": "E", "tax_rate": "0" } ] }"#,
        &[
            (Apart::Less, "api_token", "the sign-in is the gate's own: it goes where the file says"),
            (
                Apart::More,
                "invoice.client_id",
                "who buys is a customer that is there; its name and number follow",
            ),
            (Apart::Less, "invoice.buyer_name", "follows the customer"),
            (Apart::Less, "invoice.buyer_email", "follows the customer"),
            (Apart::Less, "invoice.buyer_tax_no", "follows the customer"),
            (Apart::More, "invoice.currency", "an amount is never without its currency"),
            (Apart::Less, "invoice.number", "the system numbers it"),
            (Apart::Less, "invoice.seller_name", "who sells is set up in the system"),
            (Apart::Less, "invoice.seller_tax_no", "who sells is set up in the system"),
            (Apart::More, "invoice.positions[0].price_net", "a net price, where the recorded one is gross"),
            (Apart::Less, "invoice.positions[0].total_price_gross", "a net price is sent instead"),
            (
                Apart::Other,
                "invoice.positions[0].quantity",
                "a decimal travels as a text, which is taken too",
            ),
            (Apart::Other, "invoice.positions[0].tax", "a rate travels as a text, which is taken too"),
            (Apart::More, "invoice.positions[1].price_net", "a net price, where the recorded one is gross"),
            (Apart::Less, "invoice.positions[1].total_price_gross", "a net price is sent instead"),
            (
                Apart::Other,
                "invoice.positions[1].quantity",
                "a decimal travels as a text, which is taken too",
            ),
            (
                Apart::Other,
                "invoice.positions[1].tax",
                "a rate of nothing has three reasons, and the file knows none of `0`",
            ),
        ],
    ),
    none(
        "fakturownia/invoice.ksef_status.json",
        "not mapped: the state of an invoice in KSeF is no field of Invoice",
    ),
    record("fakturownia/invoice.paid_comma.json", "fakturownia", "Invoice"),
    create(
        "fakturownia/product.create.request.json",
        "fakturownia",
        "Product",
        r#"{ "sku": "LMP-01", "name": "Lampa mosiężna", "list_price": { "net_price": "200", "currency": "PLN" } }"#,
        &[
            (Apart::Less, "api_token", "the sign-in is the gate's own: it goes where the file says"),
            (Apart::More, "product.currency", "an amount is never without its currency"),
            (Apart::Less, "product.tax", "not mapped: the rate of a product"),
        ],
    ),
    none(
        "fakturownia/result.partial_success.json",
        "not served: accounts are linked and unlinked by nobody here",
    ),
    none(
        "fakturownia/warehouse_document.create.request.json",
        "not served: a warehouse document is no entity",
    ),
    // Google Analytics.
    none("ga4/admin.properties.json", "the property is in the address of the file"),
    page("ga4/run_report.date_event.json", "ga4", "Metric"),
    page("ga4/run_report.empty.recorded.json", "ga4", "Metric"),
    page("ga4/run_report.no_rows.json", "ga4", "Metric"),
    // GetResponse.
    create(
        "getresponse/contact.create.request.json",
        "getresponse",
        "Subscription",
        r#"{ "address": "jan.lis@example.com", "channel": "email", "list": { "code": "nW" }, "state": "subscribed", "given_name": "Jan" }"#,
        &[
            (Apart::Less, "dayOfCycle", "letters are sent by the list's own rules"),
            (Apart::Less, "ipAddress", "nobody's address is told on"),
        ],
    ),
    headed("getresponse/contacts.list.json", "getresponse", "Subscription", ONE_PAGE_OF_CONTACTS),
    error("getresponse/error.400.json", "getresponse", "Subscription", 400, On::Write),
    headed("getresponse/newsletters.list.json", "getresponse", "Campaign", ONE_PAGE_OF_CONTACTS),
    // Google Ads.
    foreign("googleads/campaign_budgets.stream.json", "google-ads", "Campaign"),
    none("googleads/campaigns.stream.json", "the file asks for pages (`search`), not for a stream of chunks"),
    none("googleads/search.request.json", "a question: the family's stand-in reads what the gate asks"),
    page("googleads/search.response.json", "google-ads", "Campaign"),
    // HubSpot.
    record("hubspot/company.get.json", "hubspot-companies", "Customer"),
    create(
        "hubspot/contact.create.request.json",
        "crm",
        "Customer",
        r#"{ "kind": "person", "name": "Ewa Nowak", "given_name": "Ewa", "family_name": "Nowak", "company": "Hurtownia Norm",
             "emails": [{ "value": "ewa.nowak.880@example.com" }], "phones": [{ "type": "work", "value": "+1 555-0187" }], "website": "https://norm.example" }"#,
        &[],
    ),
    made("hubspot/contact.create.response.json", "crm", "Customer"),
    page("hubspot/contacts.list.json", "crm", "Customer"),
    none("hubspot/deals.search.request.json", "not served: a deal is no entity"),
    none("hubspot/deals.search.response.json", "not served: a deal is no entity"),
    error("hubspot/error.409.contact_exists.json", "crm", "Customer", 409, On::Write),
    page("hubspot/marketing_emails.list.json", "hubspot-marketing", "Campaign"),
    none("hubspot/pipelines.deals.json", "not served: a deal is no entity"),
    // KSeF.
    Line {
        file: "ksef/api.error.429.json",
        is: Is::Error {
            of: Of { heads: &[("retry-after", "30")], ..of("ksef", "Invoice") },
            status: 429,
            on: On::Write,
        },
    },
    none("ksef/api.invoices.query.request.json", "not served: invoices are sent to KSeF, not searched there"),
    none(
        "ksef/api.invoices.query.response.json",
        "not served: invoices are sent to KSeF, not searched there",
    ),
    none("ksef/api.rate_limits.json", "limits are told by the answers they cut"),
    none("ksef/fa2.vat.template.xml", "the schema before FA(3), which the file writes"),
    none(
        "ksef/fa3.vat.template.xml",
        "read and written by the tests of the mapping, which validate it by the schema",
    ),
    none(
        "ksef/upo.faktura.nip.xml",
        "the receipt as a document: the file takes the number of the invoice, no receipt",
    ),
    // Magento.
    create(
        "magento/customer.create.request.json",
        "magento",
        "Customer",
        r#"{ "kind": "person", "name": "Jane Doe", "given_name": "Jane", "family_name": "Doe", "emails": [{ "value": "jdoe@example.com" }] }"#,
        &[
            (Apart::Less, "customer.addresses", "not mapped: addresses are not sent"),
            (Apart::Less, "password", "no password is ever sent: the customer is asked to choose one"),
        ],
    ),
    made("magento/customer.create.response.json", "magento", "Customer"),
    error("magento/error.400.json", "magento", "Product", 400, On::Write),
    record("magento/invoice.get.json", "magento", "Payment"),
    foreign("magento/order.get.ELIDED-INVALID.json", "magento", "Order"),
    record("magento/order.get.json", "magento", "Order"),
    foreign("magento/orders.search.json", "magento", "Order"),
    turned("magento/source_items.list.json", "magento", "StockLevel", &[("\"central\"", "\"default\"")]),
    none(
        "magento/special_prices.json",
        "not served: special prices are asked for apart from tier prices, which are Price",
    ),
    // Mailchimp.
    none("mailchimp/campaign.report.json", "not served: the file maps no Campaign and no Metric"),
    error("mailchimp/error.400.problem.json", "mailchimp", "Customer", 400, On::Write),
    none("mailchimp/lists.json", "what members are listed over: no record by itself"),
    create(
        "mailchimp/member.create.request.json",
        "mailchimp",
        "Customer",
        r#"{ "kind": "person", "name": "jan.lis+news@example.com", "emails": [{ "value": "jan.lis+news@example.com" }] }"#,
        &[(Apart::Other, "status", "whoever is added is asked first whether it wants to be")],
    ),
    made("mailchimp/member.create.response.json", "mailchimp", "Customer"),
    page("mailchimp/members.list.json", "mailchimp", "Customer"),
    // PrestaShop.
    record("prestashop/customer.get.xml", "prestashop", "Customer"),
    foreign("prestashop/orders.list.xml", "prestashop", "Order"),
    record("prestashop/product.get.xml", "prestashop", "Product"),
    record("prestashop/stock_available.get.xml", "prestashop", "StockLevel"),
    // QuickBooks.
    record("quickbooks/customer.get.json", "quickbooks", "Customer"),
    error("quickbooks/error.system_fault.xml", "quickbooks", "Customer", 500, On::Read),
    create(
        "quickbooks/invoice.create.request.json",
        "quickbooks",
        "Invoice",
        r#"{ "customer": "1", "currency": "USD", "issue_date": "2023-06-26", "lines": [{ "product": "1", "quantity": "1", "net_price": "240" }] }"#,
        &[(Apart::More, "CurrencyRef", "an amount is never without its currency")],
    ),
    made("quickbooks/invoice.create.response.json", "quickbooks", "Invoice"),
    record("quickbooks/invoice.get.json", "quickbooks", "Invoice"),
    page("quickbooks/payments.query.json", "quickbooks", "Payment"),
    // Salesforce.
    Line {
        file: "salesforce/account.create.request.json",
        is: Is::Create {
            of: Of { within: Some(COMPOSITE), ..of("salesforce", "Customer") },
            record: r#"{ "kind": "company", "name": "Hurtownia Norm" }"#,
            apart: &[],
        },
    },
    none("salesforce/account.create.response.json", ALONE),
    page("salesforce/contact.query.json", "salesforce-contacts", "Customer"),
    none("salesforce/create.ok.json", ALONE),
    error("salesforce/error.300.upsert_multiple.json", "salesforce", "Customer", 300, On::Write),
    error("salesforce/error.400.malformed_query.json", "salesforce", "Customer", 400, On::List),
    error("salesforce/error.400.write.json", "salesforce", "Customer", 400, On::Write),
    error("salesforce/error.401.invalid_session.json", "salesforce", "Customer", 401, On::Read),
    none("salesforce/oauth.refresh.ok.json", "an answer to a sign-in, which the tests of signing in give"),
    none("salesforce/oauth.token.error.json", "an answer to a sign-in, which the tests of signing in give"),
    none("salesforce/oauth.token.ok.json", "an answer to a sign-in, which the tests of signing in give"),
    none("salesforce/opportunity.query.json", "not served: an opportunity is no entity"),
    none(
        "salesforce/replication.updated.json",
        "not asked for: the gate keeps no copies to bring up to date",
    ),
    foreign("salesforce/soql.aggregate.json", "salesforce", "Customer"),
    foreign("salesforce/soql.query.ok.json", "salesforce", "Customer"),
    turned(
        "salesforce/soql.query.page1.json",
        "salesforce",
        "Customer",
        &[
            ("/v26.0/", "/v59.0/"),
            ("\"Text_Label\"", "\"Name\""),
            ("\"attributes\" : {", "\"Id\": \"001E0000002Jv2eIAC\", \"attributes\" : {"),
        ],
    ),
    foreign("salesforce/soql.query.page2.json", "salesforce", "Customer"),
    none("salesforce/versions.list.json", "the version is in the address of the file"),
    // SAP Business One.
    error("sap-b1/error.v1.json", "sap-b1", "Order", 400, On::Write),
    none("sap-b1/login.request.json", "a sign-in, which the family's stand-in asks for"),
    none("sap-b1/login.response.json", "an answer to a sign-in, which the family's stand-in gives"),
    // SAP S/4HANA.
    record("sap-s4/business_partner.get.v2.json", "sap-s4", "Customer"),
    none(
        "sap-s4/customer_sales_area.rows.json",
        "not mapped: what a sales area says of a customer (Price, payment terms)",
    ),
    record("sap-s4/material_stock.get.v2.json", "sap-s4", "StockLevel"),
    within("sap-s4/products.rows.json", "sap-s4", "Product", RESULTS),
    record("sap-s4/sales_order.get.v2.json", "sap-s4", "Order"),
    // Shopify.
    record("shopify/customer.json", "shopify", "Customer"),
    page("shopify/customers_search.json", "shopify", "Customer"),
    none("shopify/draft_order.json", "not served: what is no order yet"),
    record("shopify/fulfillment.json", "shopify", "Shipment"),
    none("shopify/graphql.companies.list.response.json", "not served: companies of the shop's partners"),
    none("shopify/graphql.json", "an answer of the client library's own tests"),
    none("shopify/graphql.product.get.response.json", "the file reads products by REST"),
    none("shopify/inventory_item.json", "not served: stock is told with the product"),
    none(
        "shopify/inventory_levels.json",
        "not served: stock is told with the product, for all places together",
    ),
    none("shopify/locations.json", "not served: a place is no entity"),
    record("shopify/order.json", "shopify", "Order"),
    page("shopify/orders.json", "shopify", "Order"),
    none("shopify/price_rule.json", "not served: a rebate is no entity"),
    record("shopify/product.json", "shopify", "Product"),
    none("shopify/refund.json", "not served: what was paid back is told as a transaction of the order"),
    none("shopify/shop.json", "the shop's own currency is a setting of the file"),
    none("shopify/transaction.json", "an authorisation: no money moved, so it is no payment"),
    // wFirma.
    create(
        "wfirma/contractor.add.request.xml",
        "wfirma",
        "Customer",
        r#"{ "kind": "company", "name": "Olszewska P.P.O.F", "tax_ids": [{ "scheme": "PL:NIP", "value": "1234563218" }],
             "addresses": [{ "role": "billing", "line1": "Partyzantów 98A", "post_code": "54-149", "city": "Jawor", "country": "PL" },
                           { "role": "contact", "name": "Kaczmarczyk i syn", "line1": "Kosynierów 37", "post_code": "53-069", "city": "Chorzów", "country": "PL" }] }"#,
        &[
            (Apart::Less, "api.contractors.contractor.contact_person", "not mapped: the person of a company"),
            (Apart::Less, "api.contractors.contractor.seller", "a customer is a buyer"),
        ],
    ),
    made("wfirma/contractor.add.response.xml", "wfirma", "Customer"),
    within("wfirma/contractor.get.xml", "wfirma", "Customer", CONTRACTORS),
    none("wfirma/series.add.request.xml", "not served: a series of numbers is no entity"),
    error("wfirma/series.add.response.error.xml", "wfirma", "Customer", 200, On::Write),
    foreign("wfirma/series.add.response.ok.xml", "wfirma", "Customer"),
    // OpenBoxes.
    turned(
        "wms-openboxes/available_items.json",
        "openboxes",
        "StockLevel",
        &[("\"data\":", "\"totalCount\": 1, \"data\":")],
    ),
    error("wms-openboxes/error.401.json", "openboxes", "StockLevel", 401, On::List),
    error("wms-openboxes/error.500.business_rule.json", "openboxes", "Product", 500, On::Write),
    none("wms-openboxes/receipt.get.json", "not served: what arrived is told by the place that took it in"),
    record("wms-openboxes/stock_movement.item_added.json", "openboxes", "Shipment"),
    page("wms-openboxes/stock_movements.list.json", "openboxes", "Shipment"),
    // WooCommerce.
    headed("woocommerce/customers.list.json", "woocommerce", "Customer", ONE_PAGE),
    error("woocommerce/error.400.term_invalid.json", "woocommerce", "Product", 400, On::Read),
    error("woocommerce/error.404.no_route.json", "woocommerce", "Product", 404, On::Read),
    record("woocommerce/order.get.json", "woocommerce", "Order"),
    Line {
        file: "woocommerce/order_refund.get.json",
        is: Is::Page(Of {
            heads: ONE_PAGE,
            within: Some(("[", "]")),
            ..of("woocommerce-refunds", "Payment")
        }),
    },
    headed("woocommerce/orders.list.json", "woocommerce", "Order", ONE_PAGE),
    record("woocommerce/product.get.json", "woocommerce", "Product"),
    record("woocommerce/product.variable.json", "woocommerce", "StockLevel"),
    none("woocommerce/product_variation.get.json", "not served: a product with variations is one product"),
    none("woocommerce/webhook.get.json", "the gate takes no notifications"),
    // Xero.
    page("xero/contacts.list.json", "xero", "Customer"),
    create(
        "xero/invoice.create.request.json",
        "xero",
        "Invoice",
        r#"{ "customer": "f28c0686-1045-5245-8852-f75a4409e796", "issue_date": "2025-10-03", "due_date": "2025-11-02", "currency": "USD",
             "lines": [{ "description": "Assembly", "quantity": "1", "net_price": "240", "tax_category": "S", "tax_rate": "20" }] }"#,
        &[
            (Apart::More, "Invoices[0].CurrencyCode", "an amount is never without its currency"),
            (
                Apart::More,
                "Invoices[0].LineAmountTypes",
                "a price is never without word of whether it holds tax",
            ),
            (
                Apart::Less,
                "Invoices[0].LineItems[0].AccountCode",
                "not mapped: the account follows the item or the tenant's default",
            ),
            (
                Apart::Other,
                "Invoices[0].LineItems[0].TaxType",
                "each country has tax types of its own: the file has those of the United Kingdom",
            ),
            (Apart::Less, "Invoices[0].Reference", "not mapped: Invoice.buyer_reference is only read"),
            (Apart::Less, "Invoices[0].Status", "a new invoice is a draft until somebody approves it"),
        ],
    ),
    made("xero/invoice.create.response.json", "xero", "Invoice"),
    foreign("xero/invoice.get.json", "xero", "Invoice"),
    none("xero/organisation.get.json", "the company itself is no entity"),
];

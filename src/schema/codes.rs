//! Closed lists that everybody shares: a schema names them by `format`, and no file lists them.

use std::sync::{Arc, LazyLock};

/// A list of codes that somebody keeps for all.
#[derive(Debug)]
pub struct Standard {
    /// The `format` that names it.
    pub format: &'static str,
    /// What its codes look like, as a regular expression.
    pub pattern: &'static str,
    /// What one of them is, in words.
    pub what: &'static str,
    codes: LazyLock<Arc<[Arc<str>]>>,
}

/// Currencies of ISO 4217: those in use, and those that were withdrawn since 2010, for old documents.
static CURRENCIES: Standard = Standard {
    format: "currency",
    pattern: "^[A-Z]{3}$",
    what: "a currency of ISO 4217, as in `EUR`",
    codes: LazyLock::new(|| all(CURRENCY_CODES)),
};

/// Countries of ISO 3166-1 alpha-2, and XK for Kosovo, which it leaves to its users.
static COUNTRIES: Standard = Standard {
    format: "country",
    pattern: "^[A-Z]{2}$",
    what: "a country of ISO 3166-1, as in `PL`",
    codes: LazyLock::new(|| all(COUNTRY_CODES)),
};

impl Standard {
    /// The one that a `format` names.
    pub fn of_format(format: &str) -> Option<&'static Self> {
        [&CURRENCIES, &COUNTRIES].into_iter().find(|standard| standard.format == format)
    }

    /// The one that a leaf's codes are.
    pub fn of(codes: &Arc<[Arc<str>]>) -> Option<&'static Self> {
        [&CURRENCIES, &COUNTRIES].into_iter().find(|standard| Arc::ptr_eq(&standard.codes, codes))
    }

    /// Its codes, sorted.
    pub fn codes(&self) -> Arc<[Arc<str>]> {
        self.codes.clone()
    }
}

fn all(codes: &str) -> Arc<[Arc<str>]> {
    codes.split(' ').map(Arc::from).collect()
}

const CURRENCY_CODES: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN \
    BYR BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EEK EGP ERN ETB \
    EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY \
    KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LTL LVL LYD MAD MDL MGA MKD MMK MNT MOP MRO \
    MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD \
    RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STD STN SVC SYP SZL THB TJS TMT TND TOP TRY \
    TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VEF VES VND VUV WST XAF XAG XAU XBA XBB XBC XBD XCD \
    XCG XDR XOF XPD XPF XPT XSU XTS XUA XXX YER ZAR ZMK ZMW ZWG ZWL";

const COUNTRY_CODES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT \
    BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH \
    ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT \
    HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS \
    LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI \
    NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG \
    SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG \
    UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

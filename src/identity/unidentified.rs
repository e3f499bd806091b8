//! Why a request is of nobody we know. The journal is told the reason; the caller only that it was refused.

/// Why a credential was not accepted. `Display` is for the operator and never quotes the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Unidentified {
    /// Nothing was shown and nobody anonymous is considered here.
    #[error("no credential was shown")]
    NoCredential,
    /// Two credentials stood in the headers, or one twice.
    #[error("more than one credential was shown")]
    TwoCredentials,
    /// `Authorization` of a scheme other than `Bearer`.
    #[error("the authorization scheme is not `Bearer`")]
    WrongScheme,
    /// Larger than any credential may be.
    #[error("the credential is larger than allowed")]
    TooLarge,
    /// Not a credential of any form we know, or a claim of the wrong type.
    #[error("the credential is malformed: {0}")]
    Malformed(&'static str),
    /// Names an issuer that is not configured, or none.
    #[error("the token's issuer is not one of ours")]
    WrongIssuer,
    /// Meant for somebody else.
    #[error("the token's audience is not this gate")]
    WrongAudience,
    /// A token of another sort: an ID token, a logout token.
    #[error("the token's `typ` is not accepted from its issuer")]
    WrongType,
    /// Signed by an algorithm other than its key's, or by none.
    #[error("the token's algorithm is not its key's")]
    WrongAlgorithm,
    /// The signature does not fit.
    #[error("the token's signature does not fit")]
    BadSignature,
    /// No key of this id.
    #[error("the token names a key that its issuer does not publish")]
    UnknownKey,
    /// The issuer's keys cannot be had now.
    #[error("the issuer's keys are out of reach")]
    IssuerUnavailable,
    /// Our own store, which knows what we issued, does not answer now.
    #[error("the store of credentials does not answer")]
    StoreUnavailable,
    /// Past its end.
    #[error("the credential has expired")]
    Expired,
    /// Before its beginning, or issued in the future.
    #[error("the credential is not yet valid")]
    NotYetValid,
    /// Issued longer ago than its issuer's tokens may live.
    #[error("the token is older than its issuer's tokens may be")]
    TooOld,
    /// Says something that must be understood and is not: `crit`, `cnf`, `act`.
    #[error("the token carries `{0}`, which is not checked here")]
    NotUnderstood(&'static str),
    /// Taken back.
    #[error("the credential was revoked")]
    Revoked,
    /// Signed by our own key, and not as it was issued, or never.
    #[error("the token is none that was issued")]
    UnknownToken,
    /// No such API key, or its secret half is wrong.
    #[error("the API key is not known")]
    UnknownApiKey,
    /// No principal is pinned to this certificate.
    #[error("no principal is pinned to the client certificate")]
    UnknownCertificate,
    /// The principal is not in the registry.
    #[error("the principal is not in the registry")]
    UnknownPrincipal,
    /// The principal or its partner is switched off.
    #[error("the principal is disabled")]
    Disabled,
    /// The last day of the principal or its partner is over.
    #[error("the principal's last day is over")]
    Ended,
    /// The issuer asserted a kind of principal that it may not.
    #[error("the issuer may not assert this kind of principal")]
    KindNotAsserted,
    /// The issuer asserted an attribute that does not fit its type.
    #[error("an asserted attribute does not fit its type")]
    BadAttribute,
}

impl Unidentified {
    /// A short word for metrics and entries; the set is fixed.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoCredential => "no_credential",
            Self::TwoCredentials => "two_credentials",
            Self::WrongScheme => "wrong_scheme",
            Self::TooLarge => "too_large",
            Self::Malformed(_) => "malformed",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::WrongType => "wrong_type",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::BadSignature => "bad_signature",
            Self::UnknownKey => "unknown_key",
            Self::IssuerUnavailable => "issuer_unavailable",
            Self::StoreUnavailable => "store_unavailable",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::TooOld => "too_old",
            Self::NotUnderstood(_) => "not_understood",
            Self::Revoked => "revoked",
            Self::UnknownToken => "unknown_token",
            Self::UnknownApiKey => "unknown_api_key",
            Self::UnknownCertificate => "unknown_certificate",
            Self::UnknownPrincipal => "unknown_principal",
            Self::Disabled => "disabled",
            Self::Ended => "ended",
            Self::KindNotAsserted => "kind_not_asserted",
            Self::BadAttribute => "bad_attribute",
        }
    }
}

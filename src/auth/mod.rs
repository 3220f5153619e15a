//! Authentication: turns a signed request into a `Caller` and a session cookie into a `Viewer`. No other module
//! can make either.
//!
//! Checks run in this order: required common parameters, key, signature, time, nonce. Only signed values count;
//! an unsigned `x-acs-action` beside an RPC v1 signature, for example, is ignored. Which role an action needs is
//! decided in `action`.

pub mod keys;
mod nonces;
pub mod session;

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use http::HeaderMap;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

pub use keys::Role;
use keys::{Key, Keys};
use nonces::Nonces;
pub use session::Viewer;

use crate::{
    model::{Name, Nonce, Timestamp},
    wire::{
        error::{ApiError, Code},
        params::{BodyKind, Params},
        signature::{acs3, rpc_v1, sha256_hex},
    },
};

/// Most that a request's time may differ from the server's, either way, in milliseconds; the vendor's limit.
pub const SKEW_MAX_MILLIS: u64 = 15 * 60 * 1000;

/// A caller whose signature was verified, with the signed parts of the call.
#[derive(Clone)]
pub struct Caller {
    key_id: String,
    key: Arc<Key>,
    nonce: Nonce,
    action: String,
    version: String,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut caller = f.debug_struct("Caller"); // a key has secrets, so it has no Debug
        caller.field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl Caller {
    /// Returns the id of the access key that signed the request.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Returns whether the key has at least this role.
    pub fn is(&self, role: Role) -> bool {
        self.key.role() >= role
    }

    /// Returns whether the key's globs match this flow.
    pub fn sees(&self, flow: &Name) -> bool {
        self.key.flows().allow(flow)
    }

    /// Returns whether the key's globs match every flow.
    pub fn sees_all(&self) -> bool {
        self.key.flows().allow_all()
    }

    /// Returns the nonce of the request, for the write's own transaction.
    pub fn nonce(&self) -> Nonce {
        self.nonce
    }

    /// Returns the signed action; it may be empty or unknown.
    pub fn action(&self) -> &str {
        &self.action
    }

    /// Returns the signed API version; it may be empty.
    pub fn version(&self) -> &str {
        &self.version
    }
}

/// A request as it arrived, within the HTTP limits.
pub struct Request<'a> {
    pub method: &'a str,
    /// As it was sent, with the server's base path.
    pub path: &'a str,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

/// Verifies callers against keys that can be replaced while serving.
pub struct Authenticator {
    keys: ArcSwap<Keys>,
    /// Wakes long polls after the keys were replaced.
    replaced: watch::Sender<()>,
    nonces: Nonces,
}

/// What a request claims before anything is verified.
struct Claim<'a> {
    key_id: &'a str,
    security_token: Option<&'a str>,
    time: &'a str,
    nonce: &'a str,
    action: &'a str,
    version: &'a str,
    proof: Proof<'a>,
}

/// A signature, and which headers it claims to cover.
enum Proof<'a> {
    RpcV1(Option<rpc_v1::Signature>),
    Acs3 {
        signed_headers: Vec<&'a str>,
        signature: acs3::Signature,
    },
}

impl Authenticator {
    pub fn new(keys: Keys) -> Self {
        Authenticator {
            keys: ArcSwap::from_pointee(keys),
            replaced: watch::Sender::default(),
            nonces: Nonces::default(),
        }
    }

    /// Uses other keys from now on, and wakes long polls so that they check their keys again.
    pub fn replace_keys(&self, keys: Keys) {
        self.keys.store(keys.into());
        self.replaced.send_replace(());
    }

    /// Returns a receiver that changes whenever the keys are replaced from now on.
    pub fn replacements(&self) -> watch::Receiver<()> {
        self.replaced.subscribe()
    }

    /// Returns the caller with the rights that its key has now. A long poll asks for this before it answers,
    /// because its key may have been replaced while it was parked.
    ///
    /// # Errors
    ///
    /// `InvalidAccessKeyId` if the key is gone, has expired, or has other secrets than the request was
    /// signed with.
    pub fn renew(&self, caller: &Caller, now: Timestamp) -> Result<Caller, ApiError> {
        let keys = self.keys.load();
        let key = keys.find(&caller.key_id, now);
        let key = key.filter(|key| key.has_secrets_of(&caller.key));
        let key = key.ok_or_else(|| ApiError::new(Code::InvalidAccessKeyId, &[&caller.key_id]))?;
        Ok(Caller {
            key: Arc::clone(key),
            ..caller.clone()
        })
    }

    /// Verifies the signature of `request` and uses up its nonce. Removes parameters that turn out to be unsigned
    /// from `params`.
    ///
    /// # Errors
    ///
    /// The code of the first check that fails.
    pub fn authenticate(
        &self,
        request: &Request<'_>,
        params: &mut Params<'_>,
        now: Timestamp,
    ) -> Result<Caller, ApiError> {
        let keys = self.keys.load();
        let (caller, without_empty) = {
            let claim = claim(request, params)?;
            let key = keys.find(claim.key_id, now);
            let verified = verify(&claim, key.unwrap_or(keys.unknown_key()), request, params);
            let key =
                key.ok_or_else(|| ApiError::new(Code::InvalidAccessKeyId, &[&claim.key_id]))?;
            let without_empty =
                verified.ok_or_else(|| ApiError::new(Code::SignatureNotMatch, &[]))?;
            if !key.accepts_token(claim.security_token) {
                return Err(ApiError::new(Code::InvalidAccessKeyId, &[&claim.key_id]));
            }
            let signed_at = check_time(&claim, now)?;
            let nonce = Nonce {
                signed_at,
                received_at: now,
                digest: digest(claim.key_id, claim.nonce),
            };
            if !self.nonces.insert(claim.key_id, &nonce) {
                return Err(ApiError::new(Code::SignatureNonceUsed, &[]));
            }
            let (action, version) = (claim.action.to_owned(), claim.version.to_owned());
            (
                Caller {
                    key_id: claim.key_id.to_owned(),
                    key: Arc::clone(key),
                    nonce,
                    action,
                    version,
                },
                without_empty,
            )
        };
        if without_empty {
            params.forget_empty();
        }
        Ok(caller)
    }
}

/// Reads the claim of the request's signature scheme, of which there must be exactly one.
fn claim<'a>(request: &Request<'a>, params: &'a Params<'_>) -> Result<Claim<'a>, ApiError> {
    let authorization =
        header(request.headers, "authorization")?.filter(|value| value.starts_with("ACS"));
    match (authorization, params.given("Signature")) {
        (Some(_), Some(_)) => Err(ApiError::invalid(
            "Signature",
            "must not come with an ACS3 Authorization",
        )),
        (Some(authorization), None) => claim_acs3(request, params, authorization),
        (None, _) => claim_rpc_v1(params),
    }
}

fn claim_rpc_v1<'a>(params: &'a Params<'_>) -> Result<Claim<'a>, ApiError> {
    let action = params.given("Action").unwrap_or_default();
    let signature = params.required("Signature")?;
    let key_id = params.required("AccessKeyId")?;
    let time = params.required("Timestamp")?;
    let nonce = params.required("SignatureNonce")?;
    if params.required("SignatureMethod")? != "HMAC-SHA1" {
        return Err(ApiError::invalid("SignatureMethod", "must be HMAC-SHA1"));
    }
    // `CreateSchedule` has a business parameter of the same name.
    if params.required("SignatureVersion")? != "1.0" && action != "CreateSchedule" {
        return Err(ApiError::invalid("SignatureVersion", "must be 1.0"));
    }
    if params.optional("SignatureType").is_some() {
        return Err(ApiError::invalid("SignatureType", "must be empty"));
    }
    if params.body() == Some(BodyKind::Json) {
        return Err(ApiError::invalid(
            "The body",
            "must be a form, because RPC v1 does not sign JSON; or sign with ACS3",
        ));
    }
    Ok(Claim {
        key_id,
        security_token: params.optional("SecurityToken"),
        time,
        nonce,
        action,
        version: params.given("Version").unwrap_or_default(),
        proof: Proof::RpcV1(rpc_v1::parse_signature(signature)),
    })
}

fn claim_acs3<'a>(
    request: &Request<'a>,
    params: &'a Params<'_>,
    authorization: &'a str,
) -> Result<Claim<'a>, ApiError> {
    let headers = request.headers;
    let required = |name| {
        header(headers, name)?.ok_or_else(|| ApiError::new(Code::MissingRequiredHeader, &[&name]))
    };
    let parsed = acs3::Authorization::parse(authorization)
        .map_err(|fault| ApiError::invalid("Authorization", fault))?;
    let action = required("x-acs-action")?;
    let version = required("x-acs-version")?;
    let time = required("x-acs-date")?;
    let nonce = required("x-acs-signature-nonce")?;
    required("x-acs-content-sha256")?;
    // The content type must be signed, because it selects the parser of the body.
    let decides = |name: &&str| {
        name.starts_with("x-acs-") || (*name == "content-type" && params.body().is_some())
    };
    for name in headers.keys().map(http::HeaderName::as_str).filter(decides) {
        header(headers, name)?; // refuses duplicates
        if !parsed.signed_headers.contains(&name) {
            return Err(ApiError::invalid(name, "must be among SignedHeaders"));
        }
    }
    header(headers, "host")?;
    for (name, signed) in [("Action", action), ("Version", version)] {
        if params.given(name).is_some_and(|value| value != signed) {
            return Err(ApiError::invalid(
                name,
                "must be the same in the query and in its header",
            ));
        }
    }
    Ok(Claim {
        key_id: parsed.credential,
        security_token: header(headers, "x-acs-security-token")?,
        time,
        nonce,
        action,
        version,
        proof: Proof::Acs3 {
            signed_headers: parsed.signed_headers,
            signature: parsed.signature,
        },
    })
}

/// Returns a header's value. Refuses one that occurs twice or is not visible ASCII; an empty one counts as
/// absent.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(ApiError::invalid(name, "must not be given twice"));
    }
    match value.to_str() {
        Ok("") => Ok(None),
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(ApiError::invalid(name, "must be visible ASCII")),
    }
}

/// Verifies that the signature is `key`'s. Returns `Some(true)` if it holds only without the empty business
/// parameters, which the current Java SDK sends but does not sign under RPC v1.
fn verify(
    claim: &Claim<'_>,
    key: &Key,
    request: &Request<'_>,
    params: &Params<'_>,
) -> Option<bool> {
    match &claim.proof {
        Proof::RpcV1(signature) => {
            let signature = signature.as_ref()?;
            let (secret, method) = (key.secret(), request.method);
            if secret.signed_rpc_v1(method, params.all(), signature) {
                return Some(false);
            }
            let signed = params.without_empty()?;
            secret
                .signed_rpc_v1(method, signed, signature)
                .then_some(true)
        }
        Proof::Acs3 {
            signed_headers,
            signature,
        } => {
            let hash = sha256_hex(request.body);
            let claimed = request.headers.get("x-acs-content-sha256")?;
            let is_signed_with = |path| {
                let mut canonical = Sha256::new();
                acs3::canonical_request(
                    request.method,
                    path,
                    params.of_query(),
                    request.headers,
                    signed_headers,
                    &hash,
                    &mut canonical,
                );
                let text = acs3::string_to_sign(canonical);
                key.secret().signed_acs3(&text, signature)
            };
            // SDKs that are given a base path send it but sign the root; the documentation says the path as sent.
            let held = is_signed_with(acs3::ROOT)
                || (request.path != acs3::ROOT && is_signed_with(request.path));
            (held && claimed.as_bytes() == hash.as_bytes()).then_some(false)
        }
    }
}

fn check_time(claim: &Claim<'_>, now: Timestamp) -> Result<Timestamp, ApiError> {
    let parameter = match claim.proof {
        Proof::RpcV1(_) => "Timestamp",
        Proof::Acs3 { .. } => "x-acs-date",
    };
    let format = || ApiError::invalid(parameter, "must have the form YYYY-MM-DDThh:mm:ssZ");
    let time = Timestamp::parse_seconds(claim.time).ok_or_else(format)?;
    if time.distance(now) > SKEW_MAX_MILLIS {
        return Err(ApiError::new(
            Code::RequestTimeTooSkewed,
            &[&claim.time, &now],
        ));
    }
    Ok(time)
}

/// Returns the digest of key id and nonce, separated by NUL, which no key id contains.
fn digest(key_id: &str, nonce: &str) -> crate::model::nonce::Digest {
    let hash = Sha256::new()
        .chain_update(key_id)
        .chain_update([0])
        .chain_update(nonce)
        .finalize();
    std::array::from_fn(|at| hash[at])
}

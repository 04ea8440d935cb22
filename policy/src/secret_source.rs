//! Where the value of a secret comes from.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use zeroize::Zeroizing;

/// Where the host gets the value of a secret from.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "kebab-case")]
pub enum SecretSource {
    /// An environment variable of the host.
    Env(#[schemars(regex(pattern = r"^[^=\u0000]+$"))] String),
    /// The content of a file of the host.
    File(#[schemars(with = "String", length(min = 1))] PathBuf),
    /// What a program of the host writes to its standard output: the program and its arguments,
    /// started without a shell.
    Command(#[schemars(length(min = 1))] Vec<String>),
    /// This value, which the embedder has. A policy file cannot have one.
    #[schemars(skip)]
    Value(SecretText),
    /// What the embedder's own code answers. A policy file cannot have one.
    #[schemars(skip)]
    Callback(SecretCallback),
}

/// A value that the embedder gives. It is zeroed when its last clone is dropped, and `Debug` does not
/// show it. Two are equal if they are clones of one.
#[derive(Clone)]
pub struct SecretText(Arc<Zeroizing<String>>);

/// What a [callback](SecretSource::callback) answers: a value, and for how long it may be used.
#[derive(Clone, Debug)]
pub struct SecretAnswer {
    text: SecretText,
    valid_for: Option<Duration>,
}

/// Why a callback has no value. The host logs it with `tracing`; neither the program nor the audit log
/// gets its text, which may contain what is secret.
pub type SecretCallbackError = Box<dyn Error + Send + Sync>;

type Answering = Pin<Box<dyn Future<Output = Result<SecretAnswer, SecretCallbackError>> + Send>>;

/// The embedder's code that answers with a value. Two are equal if they are clones of one.
#[derive(Clone)]
pub struct SecretCallback(Arc<dyn Fn() -> Answering + Send + Sync>);

impl SecretSource {
    /// This value. It is checked when the sandbox is built: 8 bytes to 16 KiB of printable ASCII.
    ///
    /// Give a `String` to have the only copy of it zeroed at the end; a `&str` is copied.
    ///
    /// ```
    /// use sandbox_net_policy::SecretSource;
    ///
    /// let source = SecretSource::value("sk-live-0123456789");
    /// assert_eq!(format!("{source:?}"), "Value(…)");
    /// ```
    #[must_use]
    pub fn value(text: impl Into<SecretText>) -> Self {
        Self::Value(text.into())
    }

    /// What this code answers. It is asked when a request first needs the value, and again by the first
    /// request after the answer's [validity](SecretAnswer::valid_for): one question at a time, however
    /// many requests wait for the answer. An answer without a validity is used until the secret is
    /// replaced.
    ///
    /// If it fails, panics, takes longer than 30 seconds, or answers with what cannot be a value, the
    /// request is denied, and so are those of the next second without another question. It must not
    /// block its thread.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sandbox_net_policy::{SecretAnswer, SecretSource};
    ///
    /// # async fn fetch_token() -> std::io::Result<String> { Ok(String::new()) }
    /// let source = SecretSource::callback(|| async {
    ///     let token = fetch_token().await?;
    ///     Ok(SecretAnswer::new(token).valid_for(Duration::from_secs(300)))
    /// });
    /// ```
    #[must_use]
    pub fn callback<F, A>(ask: F) -> Self
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<SecretAnswer, SecretCallbackError>> + Send + 'static,
    {
        Self::Callback(SecretCallback(Arc::new(move || Box::pin(ask()))))
    }
}

impl SecretText {
    /// The value itself, for those who send it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl SecretAnswer {
    /// An answer with this value, which is used until the secret is replaced.
    #[must_use]
    pub fn new(text: impl Into<SecretText>) -> Self {
        Self {
            text: text.into(),
            valid_for: None,
        }
    }

    /// Limits for how long the value is used, from the answer on. With zero, each request asks; those
    /// that wait for one question share its answer.
    ///
    /// Responses are searched for the last five values. With a short time a program decides how soon an
    /// older one is not: if the service still accepts that, and a host that gets the secret stores what
    /// it is sent, the program may see it. Give about as long as the service accepts the value.
    #[must_use]
    pub fn valid_for(mut self, time: Duration) -> Self {
        self.valid_for = Some(time);
        self
    }

    /// The value.
    #[must_use]
    pub fn text(&self) -> &SecretText {
        &self.text
    }

    /// For how long it is used; `None` if that has no limit.
    #[must_use]
    pub fn validity(&self) -> Option<Duration> {
        self.valid_for
    }
}

impl SecretCallback {
    /// Asks for a value.
    pub fn ask(
        &self,
    ) -> impl Future<Output = Result<SecretAnswer, SecretCallbackError>> + Send + use<> {
        (self.0)()
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(Arc::new(text.into()))
    }
}

impl From<Zeroizing<String>> for SecretText {
    fn from(text: Zeroizing<String>) -> Self {
        Self(Arc::new(text))
    }
}

impl From<&str> for SecretText {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl<T: Into<SecretText>> From<T> for SecretAnswer {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

impl PartialEq for SecretText {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SecretText {}

impl PartialEq for SecretCallback {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SecretCallback {}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl fmt::Debug for SecretCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "sk-live-0123456789";

    #[test]
    fn debug_shows_neither_a_value_nor_an_answer() {
        let callback = SecretSource::callback(|| async { Ok(VALUE.into()) });
        let answer = SecretAnswer::new(VALUE).valid_for(Duration::from_secs(1));
        let shown = format!("{:?} {callback:?} {answer:#?}", SecretSource::value(VALUE));
        assert!(!shown.contains(VALUE), "{shown}");
        assert!(shown.starts_with("Value(…) Callback(…) "), "{shown}");
    }

    #[test]
    fn a_clone_is_equal_and_another_value_or_callback_is_not() {
        let value = || SecretSource::value(VALUE);
        let callback = || SecretSource::callback(|| async { Ok(VALUE.into()) });
        for (one, other) in [(value(), value()), (callback(), callback())] {
            assert_eq!(one, one.clone());
            assert_ne!(one, other);
        }
    }
}

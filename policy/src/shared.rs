//! Knows the domains below which anybody can have a name.

/// The labels with which such domains begin below an ordinary name: the list can be asked about a
/// name, but not for the names below it.
const BELOW: [&str; 16] = [
    "any",
    "app",
    "apps",
    "azurewebsites",
    "blob",
    "blob.core",
    "cdn",
    "execute-api.us-east-1",
    "lambda-url.us-east-1",
    "pages",
    "run",
    "s3",
    "s3.us-east-1",
    "sites",
    "us-east-1.elasticbeanstalk",
    "web.core",
];

/// Whether a hosting service gives names below this one to anybody, or below one that ends with it
/// (<https://publicsuffix.org>, its private section).
pub(crate) fn is_shared(domain: &str) -> bool {
    let is_suffix = |name: &str| {
        let suffix = psl::suffix(name.as_bytes());
        suffix.is_some_and(|suffix| {
            suffix.typ() == Some(psl::Type::Private) && suffix.as_bytes() == name.as_bytes()
        })
    };
    is_suffix(domain)
        || BELOW
            .iter()
            .any(|label| is_suffix(&format!("{label}.{domain}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_of_hosting_services_are_shared_and_those_of_one_owner_are_not() {
        for domain in [
            "github.io",
            "s3.amazonaws.com",
            "s3.eu-west-1.amazonaws.com",
            "amazonaws.com",
            "workers.dev",
            "pages.dev",
            "vercel.app",
            "netlify.app",
            "herokuapp.com",
            "blob.core.windows.net",
            "core.windows.net",
            "windows.net",
            "azurewebsites.net",
            "cloudfront.net",
            "a.run.app",
            "run.app",
            "fly.dev",
            "compute.amazonaws.com",
            "execute-api.us-east-1.amazonaws.com",
        ] {
            assert!(is_shared(domain), "{domain}");
        }
        for domain in [
            "example.com",
            "api.github.com",
            "me.github.io",
            "bucket.s3.amazonaws.com",
            "openai.com",
            "pypi.org",
            "example.co.uk",
            "a.test",
        ] {
            assert!(!is_shared(domain), "{domain}");
        }
    }
}

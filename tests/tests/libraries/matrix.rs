//! The libraries, and which features of each are tested.

/// A feature of a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Get,
    Post,
    Reuse,
    Download,
    Upload,
    Redirects,
    Cookies,
    Tls,
    Untrusted,
    Timeout,
    Denied,
}

impl Column {
    pub(crate) const ALL: [Self; 11] = [
        Self::Get,
        Self::Post,
        Self::Reuse,
        Self::Download,
        Self::Upload,
        Self::Redirects,
        Self::Cookies,
        Self::Tls,
        Self::Untrusted,
        Self::Timeout,
        Self::Denied,
    ];

    /// The name of its cases in the programs, and its heading in `docs/libraries.md`.
    pub(crate) fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Get => ("get", "GET"),
            Self::Post => ("post", "POST"),
            Self::Reuse => ("reuse", "connection reuse"),
            Self::Download => ("download", "streaming down"),
            Self::Upload => ("upload", "streaming up"),
            Self::Redirects => ("redirects", "redirects"),
            Self::Cookies => ("cookies", "cookies"),
            Self::Tls => ("tls", "TLS verified"),
            Self::Untrusted => ("untrusted", "unknown CA"),
            Self::Timeout => ("timeout", "timeouts"),
            Self::Denied => ("denied", "denied host"),
        }
    }
}

/// A library and the program that uses it.
#[derive(Debug)]
pub(crate) struct Library {
    /// Its name in `docs/libraries.md`.
    pub(crate) name: &'static str,
    /// A file of `programs/libraries/`.
    pub(crate) program: &'static str,
    /// What it does.
    pub(crate) columns: &'static [Column],
    /// What it raises if the certificate is not trusted, if its own timeout passes, and if the policy
    /// denies.
    pub(crate) raises: Raises,
    /// What its results are compared with.
    pub(crate) expected: Expected,
}

/// The types of exceptions.
#[derive(Debug)]
pub(crate) struct Raises {
    pub(crate) untrusted: &'static str,
    pub(crate) timeout: &'static str,
    pub(crate) denied: &'static str,
}

/// What the results are compared with.
#[derive(Debug)]
pub(crate) enum Expected {
    /// The same program on native Python.
    Native,
    /// Results as JSON, by the names of cases without the server.
    Written(&'static [(&'static str, &'static str)]),
}

/// Makes the list of libraries, and a test of each.
macro_rules! libraries {
    ($($test:ident: $library:expr,)*) => {
        /// Every library of the table in `docs/libraries.md`, in its order.
        pub(crate) const LIBRARIES: &[Library] = &[$($library,)*];

        $(#[tokio::test]
        async fn $test() {
            crate::outcome::shows(&$library).await;
        })*
    };
}

use Column::{Cookies, Download, Get, Post, Redirects, Reuse, Timeout, Upload};

/// The features of a full client besides TLS and denials.
const CLIENT: &[Column] = &Column::ALL;
/// A client that leaves redirects and cookies to code on top of it.
const CORE: &[Column] = &[
    Get,
    Post,
    Reuse,
    Download,
    Upload,
    Column::Tls,
    Column::Untrusted,
    Timeout,
    Column::Denied,
];
/// Code that reads a document by its URL.
const READER: &[Column] = &[
    Get,
    Redirects,
    Column::Tls,
    Column::Untrusted,
    Column::Denied,
];
const URLLIB: Raises = Raises {
    untrusted: "urllib.error.URLError",
    timeout: "TimeoutError",
    denied: "urllib.error.URLError",
};
const REQUESTS: Raises = Raises {
    untrusted: "requests.exceptions.SSLError",
    timeout: "requests.exceptions.ReadTimeout",
    denied: "requests.exceptions.ConnectionError",
};
const HTTPX: Raises = Raises {
    untrusted: "httpx.ConnectError",
    timeout: "httpx.ReadTimeout",
    denied: "httpx.ConnectError",
};
const HTTPCORE: Raises = Raises {
    untrusted: "httpcore.ConnectError",
    timeout: "httpcore.ReadTimeout",
    denied: "httpcore.ConnectError",
};

libraries! {
    requests_behaves_as_natively: Library {
        name: "requests",
        program: "with_requests.py",
        columns: CLIENT,
        raises: REQUESTS,
        expected: Expected::Native,
    },
    urllib3_behaves_as_natively: Library {
        name: "urllib3",
        program: "with_urllib3.py",
        columns: &[
            Get, Post, Reuse, Download, Upload, Redirects, Column::Tls, Column::Untrusted, Timeout,
            Column::Denied,
        ],
        raises: Raises {
            untrusted: "urllib3.exceptions.SSLError",
            timeout: "urllib3.exceptions.ReadTimeoutError",
            denied: "urllib3.exceptions.MaxRetryError",
        },
        expected: Expected::Native,
    },
    httpx_behaves_as_natively: Library {
        name: "httpx",
        program: "with_httpx.py",
        columns: CLIENT,
        raises: HTTPX,
        expected: Expected::Native,
    },
    httpx_with_asyncio_behaves_as_natively: Library {
        name: "httpx, asyncio",
        program: "with_httpx_async.py",
        columns: CLIENT,
        raises: HTTPX,
        expected: Expected::Native,
    },
    httpcore_behaves_as_natively: Library {
        name: "httpcore",
        program: "with_httpcore.py",
        columns: CORE,
        raises: HTTPCORE,
        expected: Expected::Native,
    },
    httpcore_with_asyncio_behaves_as_natively: Library {
        name: "httpcore, asyncio",
        program: "with_httpcore_async.py",
        columns: CORE,
        raises: HTTPCORE,
        expected: Expected::Native,
    },
    aiohttp_behaves_as_natively: Library {
        name: "aiohttp",
        program: "with_aiohttp.py",
        columns: CLIENT,
        raises: Raises {
            untrusted: "aiohttp.client_exceptions.ClientConnectorCertificateError",
            timeout: "aiohttp.client_exceptions.SocketTimeoutError",
            denied: "aiohttp.client_exceptions.ClientConnectorError",
        },
        expected: Expected::Native,
    },
    httplib2_behaves_as_natively: Library {
        name: "httplib2",
        program: "with_httplib2.py",
        columns: &[
            Get, Post, Reuse, Redirects, Column::Tls, Column::Untrusted, Timeout, Column::Denied,
        ],
        raises: Raises {
            untrusted: "ssl.SSLCertVerificationError",
            timeout: "TimeoutError",
            denied: "PermissionError",
        },
        expected: Expected::Native,
    },
    botocore_behaves_as_natively: Library {
        name: "botocore (S3)",
        program: "with_botocore.py",
        columns: &[
            Get, Post, Reuse, Download, Upload, Column::Tls, Column::Untrusted, Timeout,
            Column::Denied,
        ],
        raises: Raises {
            untrusted: "botocore.exceptions.SSLError",
            timeout: "botocore.exceptions.ReadTimeoutError",
            denied: "botocore.exceptions.EndpointConnectionError",
        },
        expected: Expected::Native,
    },
    feedparser_behaves_as_natively: Library {
        name: "feedparser",
        program: "with_feedparser.py",
        columns: READER,
        raises: URLLIB,
        expected: Expected::Native,
    },
    pandas_reads_tables_by_their_urls: Library {
        name: "pandas",
        program: "with_pandas.py",
        columns: READER,
        raises: URLLIB,
        expected: Expected::Written(&[
            ("get", r#"[6, ["one", "two", "three"], 3]"#),
            ("redirects", "6"),
            ("tls", "6"),
        ]),
    },
    robotparser_behaves_as_natively: Library {
        name: "urllib.robotparser",
        program: "with_robotparser.py",
        columns: READER,
        raises: URLLIB,
        expected: Expected::Native,
    },
    xmlrpc_client_behaves_as_natively: Library {
        name: "xmlrpc.client",
        program: "with_xmlrpc.py",
        columns: &[Post, Reuse, Column::Tls, Column::Untrusted, Column::Denied],
        raises: Raises {
            untrusted: "ssl.SSLCertVerificationError",
            timeout: "TimeoutError",
            denied: "PermissionError",
        },
        expected: Expected::Native,
    },
    urllib_behaves_as_natively: Library {
        name: "urllib.request",
        program: "with_urllib.py",
        columns: &[Get, Post, Download, Upload, Redirects, Cookies, Column::Tls, Column::Untrusted, Timeout, Column::Denied],
        raises: URLLIB,
        expected: Expected::Native,
    },
}

//! Exchanges: one request and its response, in the host's `wasi:http`.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::bindings::client::GuestExchange;
use crate::bindings::http::{
    self, FutureIncomingResponse, FutureTrailers, IncomingBody, IncomingResponse, OutgoingBody,
};
use crate::bindings::types::{ErrorCode, Field, HttpVersion, ResponseHead};
use crate::bindings::{InputStream, IoError, OutputStream, Pollable};
use crate::{errors, ready};

/// What a connection and its last request know of each other.
#[derive(Default)]
pub(crate) struct Progress {
    is_over: Cell<bool>,
    was_closed: Cell<bool>,
}

impl Progress {
    /// Whether the next request may be sent. The host has a connection for each, so that it may as soon as
    /// there is an answer.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.get()
    }

    /// Ends the request with its connection.
    pub(crate) fn close(&self) {
        self.was_closed.set(true);
    }
}

/// A request and its response.
pub(crate) struct Exchange {
    request: RefCell<Request>,
    // The order matters: children are dropped before their parent.
    response: RefCell<Response>,
    failure: RefCell<Option<ErrorCode>>,
    /// Whether the guest is still to be told that the body is wanted: `wasi:http` has no word for it.
    asks_for_body: Cell<bool>,
    progress: Rc<Progress>,
}

/// The body of the request.
enum Request {
    None,
    Open { body: OutgoingBody, was_taken: bool },
    Finished,
}

/// How far the response is.
enum Response {
    Waiting(FutureIncomingResponse),
    /// The head was given, and the body may be taken.
    Body {
        body: IncomingBody,
        was_taken: bool,
        _response: IncomingResponse,
    },
    /// The body has ended.
    Trailers(FutureTrailers),
    Ended(Result<Vec<Field>, ErrorCode>),
    Failed,
}

impl Exchange {
    pub(crate) fn new(
        future: FutureIncomingResponse,
        body: Option<OutgoingBody>,
        expects: bool,
    ) -> Exchange {
        Exchange {
            asks_for_body: Cell::new(expects && body.is_some()),
            request: RefCell::new(match body {
                None => Request::None,
                Some(body) => Request::Open {
                    body,
                    was_taken: false,
                },
            }),
            response: RefCell::new(Response::Waiting(future)),
            failure: RefCell::new(None),
            progress: Rc::default(),
        }
    }

    pub(crate) fn progress(&self) -> &Rc<Progress> {
        &self.progress
    }

    /// Notes the first failure; gives it back.
    fn fail(&self, error: ErrorCode) -> ErrorCode {
        self.progress.is_over.set(true);
        self.failure.borrow_mut().get_or_insert(error).clone()
    }

    /// The head, and what follows it.
    fn begin(&self, response: IncomingResponse) -> Result<(ResponseHead, Response), ErrorCode> {
        let fields = response.headers().entries().into_iter();
        let head = ResponseHead {
            status: response.status(),
            version: HttpVersion::Unknown,
            reason: Vec::new(),
            fields: fields
                .map(|(name, value)| (name.into_bytes(), value))
                .collect(),
        };
        let body = response.consume().map_err(|()| ErrorCode::Closed)?;
        let body = Response::Body {
            body,
            was_taken: false,
            _response: response,
        };
        Ok((head, body))
    }
}

impl GuestExchange for Exchange {
    fn body(&self) -> Result<OutputStream, ErrorCode> {
        match &mut *self.request.borrow_mut() {
            Request::None => Err(no_body()),
            Request::Finished => Err(ErrorCode::Closed),
            Request::Open {
                was_taken: true, ..
            } => Err(ErrorCode::Closed),
            Request::Open { body, was_taken } => {
                *was_taken = true;
                body.write().map_err(|()| ErrorCode::Closed)
            }
        }
    }

    fn finish_body(&self) -> Result<(), ErrorCode> {
        match self.request.replace(Request::Finished) {
            Request::None => {
                self.request.replace(Request::None);
                Err(no_body())
            }
            Request::Finished => Err(ErrorCode::Closed),
            Request::Open { body, .. } => {
                OutgoingBody::finish(body, None).map_err(|error| errors::of(&error))
            }
        }
    }

    fn subscribe(&self) -> Pollable {
        match &*self.response.borrow() {
            _ if self.asks_for_body.get() || self.progress.was_closed.get() => ready(),
            Response::Waiting(future) => future.subscribe(),
            Response::Trailers(future) => future.subscribe(),
            Response::Body { .. } | Response::Ended(_) | Response::Failed => ready(),
        }
    }

    fn continued(&self) -> bool {
        self.asks_for_body.replace(false)
    }

    fn head(&self) -> Option<Result<ResponseHead, ErrorCode>> {
        let given = match &*self.response.borrow() {
            Response::Waiting(_) if self.progress.was_closed.get() => Err(()),
            Response::Waiting(future) => future.get()?,
            _ => return Some(Err(ErrorCode::Closed)),
        };
        self.asks_for_body.set(false);
        self.progress.is_over.set(true);
        let begun = match given {
            Ok(Ok(response)) => self.begin(response),
            Ok(Err(error)) => Err(errors::of(&error)),
            Err(()) => Err(ErrorCode::Closed),
        };
        let (result, next) = match begun {
            Ok((head, body)) => (Ok(head), body),
            Err(error) => (Err(self.fail(error)), Response::Failed),
        };
        self.response.replace(next);
        Some(result)
    }

    fn response_body(&self) -> Result<InputStream, ErrorCode> {
        match &mut *self.response.borrow_mut() {
            Response::Waiting(_) => Err(ErrorCode::Invalid(
                "the response's head comes before its body".to_owned(),
            )),
            Response::Body {
                body, was_taken, ..
            } if !*was_taken => {
                *was_taken = true;
                body.stream().map_err(|()| ErrorCode::Closed)
            }
            _ => Err(ErrorCode::Closed),
        }
    }

    fn trailers(&self) -> Option<Result<Vec<Field>, ErrorCode>> {
        let mut response = self.response.borrow_mut();
        // The guest has dropped the stream: it asks behind the end.
        *response = match std::mem::replace(&mut *response, Response::Failed) {
            Response::Body {
                body,
                was_taken: true,
                ..
            } => Response::Trailers(IncomingBody::finish(body)),
            other => other,
        };
        let given = match &*response {
            Response::Trailers(future) => future.get()?,
            Response::Ended(result) => return Some(result.clone()),
            Response::Failed => return self.failure.borrow().clone().map(Err),
            Response::Waiting(_) | Response::Body { .. } => return None,
        };
        let result = match given {
            Ok(Ok(Some(fields))) => Ok(lines(&fields)),
            Ok(Ok(None)) | Err(()) => Ok(Vec::new()),
            Ok(Err(error)) => Err(self.fail(errors::of(&error))),
        };
        *response = Response::Ended(result.clone());
        Some(result)
    }

    fn failure(&self, error: Option<&IoError>) -> Option<ErrorCode> {
        if let Some(error) = error {
            let reason = match http::http_error_code(error) {
                Some(reason) => errors::of(&reason),
                None => errors::protocol(error.to_debug_string()),
            };
            return Some(self.fail(reason));
        }
        self.failure.borrow().clone()
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.progress.is_over.set(true);
    }
}

fn lines(fields: &http::Fields) -> Vec<Field> {
    let entries = fields.entries().into_iter();
    entries
        .map(|(name, value)| (name.into_bytes(), value))
        .collect()
}

fn no_body() -> ErrorCode {
    ErrorCode::Invalid("the request was announced without a body".to_owned())
}

//! Reads a response body on a session.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use http::HeaderMap;

use crate::account::Reservation;
use crate::error::EgressError;
use crate::fields::Fields;
use crate::h2::failure::translate;
use crate::h2::field_lists::bounded_fields;
use crate::h2::session::StreamPlace;
use crate::pump::{Pump, Sent};
use crate::trailers::permitted;

/// Less data than this is copied out of its read buffer: half of the library's buffer.
const COPIED: usize = 8 << 10;

/// The body of one response. The peer may send ahead as much as the stream's window allows; the
/// window opens again as bytes are taken. Dropping it before the end resets the stream.
#[derive(Debug)]
pub(crate) struct H2Body {
    receiving: Option<RecvStream>,
    pump: Option<Pump<SendStream<Bytes>>>,
    place: Option<StreamPlace>,
    /// The memory of its window, and of what it sends ahead.
    held: Reservation,
    /// The most bytes of the trailers, as RFC 9113 section 6.5.2 counts them.
    max_trailers: usize,
    trailers: Fields,
}

impl H2Body {
    pub(super) fn new(
        receiving: RecvStream,
        pump: Option<Pump<SendStream<Bytes>>>,
        (place, held): (StreamPlace, Reservation),
        max_trailers: usize,
    ) -> Self {
        let mut body = Self {
            receiving: Some(receiving),
            pump,
            place: Some(place),
            held,
            max_trailers,
            trailers: Fields::new(),
        };
        body.finish_if_complete();
        body
    }

    /// Whether the end was reached.
    pub(crate) fn is_over(&self) -> bool {
        self.receiving.is_none()
    }

    /// The trailer fields, once, at the end.
    pub(crate) fn take_trailers(&mut self) -> Fields {
        std::mem::take(&mut self.trailers)
    }

    /// The next piece of the body; `None` at its end.
    pub(crate) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, EgressError>>> {
        let mut next = ready!(self.poll_receive(cx));
        if let (Some(Err(error)), Some(place)) = (&mut next, &self.place) {
            *error = place.session().limited(error.clone());
        }
        match &next {
            Some(Ok(_)) => self.finish_if_complete(),
            Some(Err(_)) => {
                (self.receiving, self.pump, self.place) = (None, None, None);
                self.held.shrink_to(0);
            }
            None => self.finish(),
        }
        Poll::Ready(next)
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, EgressError>>> {
        if let Some(pump) = &mut self.pump
            && let Poll::Ready(end) = Pin::new(&mut pump.end).poll(cx)
        {
            self.pump = None;
            if let Ok(Sent::Failed(error)) = end {
                return Poll::Ready(Some(Err(error)));
            }
        }
        let Some(receiving) = &mut self.receiving else {
            return Poll::Ready(None);
        };
        loop {
            let next = ready!(receiving.poll_data(cx)).map(|data| data.map(without_its_buffer));
            if let (Some(Ok(_)), Some(stream)) =
                (&next, self.place.as_ref().and_then(StreamPlace::stream))
            {
                stream.took_data_frame();
            }
            return Poll::Ready(match next {
                Some(Ok(data)) if data.is_empty() => continue,
                Some(Ok(data)) => match receiving.flow_control().release_capacity(data.len()) {
                    Ok(()) => Some(Ok(data)),
                    Err(error) => Some(Err(translate(&error))),
                },
                // A failed body ends its stream, so it is the cause.
                Some(Err(error)) => {
                    let cause = self.pump.as_mut().and_then(Pump::failure);
                    Some(Err(cause.unwrap_or_else(|| translate(&error))))
                }
                None => match ready!(receiving.poll_trailers(cx)) {
                    Ok(None) => None,
                    Ok(Some(fields)) => match trailers(&fields, self.max_trailers) {
                        Ok(fields) => {
                            self.trailers = fields;
                            None
                        }
                        Err(error) => Some(Err(error)),
                    },
                    Err(error) => Some(Err(translate(&error))),
                },
            });
        }
    }

    fn finish_if_complete(&mut self) {
        if self
            .receiving
            .as_ref()
            .is_some_and(RecvStream::is_end_stream)
        {
            self.finish();
        }
    }

    /// Notes that the response is complete. A body that is still being sent continues on its
    /// session.
    fn finish(&mut self) {
        self.receiving = None;
        self.held.shrink_to(0);
        match &self.place {
            Some(place) if self.pump.is_some() => {
                place.stream().inspect(|stream| stream.took_all());
            }
            _ => self.place = None,
        }
    }
}

/// Copies data out of a buffer that is much larger.
fn without_its_buffer(data: Bytes) -> Bytes {
    match data.len() {
        ..COPIED => Bytes::copy_from_slice(&data),
        _ => data,
    }
}

fn trailers(fields: &HeaderMap, max: usize) -> Result<Fields, EgressError> {
    Ok(permitted(bounded_fields(fields, max)?))
}

//! Serves one connection of a client: proxy calls and calls of the API.

use std::sync::Arc;

use crate::api;
use crate::callers::Caller;
use crate::connect::connect;
use crate::error_json::ErrorJson;
use crate::forward::forward;
use crate::http::{Connection, Head, HeadFault};
use crate::metrics::{Call, Refused};
use crate::reply::{After, say};
use crate::shared::Shared;
use crate::socket::{ClientSocket, ClientStream};
use crate::target::Form;

/// Serves a client until it has gone, or has to go.
pub(crate) async fn serve(shared: Arc<Shared>, caller: Caller, socket: ClientSocket) {
    let _open = shared.metrics.connection();
    let stream = ClientStream::Plain(socket);
    let mut connection = Connection::new(stream, Arc::clone(&shared.limits));
    let mut wait = shared.limits.head_time;
    loop {
        let head = tokio::select! {
            biased;
            () = shared.stopping.cancelled() => return,
            head = connection.head(wait) => head,
        };
        let head = match head {
            Ok(Some(head)) => head,
            Ok(None) => return,
            Err(fault) => return refuse_head(&shared, connection, fault).await,
        };
        wait = shared.limits.idle;
        let form = match admitted(&shared, &caller, &head) {
            Ok(form) => form,
            Err(error) => return refuse(&shared, connection, Some(&head), &error).await,
        };
        let persists = match form {
            Form::Authority(target) => {
                shared.metrics.call(Call::Connect);
                return connect(&shared, connection, &head, target).await;
            }
            Form::Absolute(url) => {
                shared.metrics.call(Call::Forwarded);
                forward(&shared, &mut connection, &head, url).await
            }
            Form::Origin(path) => {
                shared.metrics.call(Call::Api);
                api::call(&shared, &mut connection, &head, path).await
            }
        };
        match persists {
            After::Next => {}
            After::Close => return connection.close().await,
            After::Reset => return connection.reset(),
        }
    }
}

/// Who may call, in this order: by the token, no browser, and the API only by its own address.
fn admitted<'a>(shared: &Shared, caller: &Caller, head: &'a Head) -> Result<Form<'a>, ErrorJson> {
    let form = Form::of(&head.method, &head.target);
    let is_proxy = !matches!(form, None | Some(Form::Origin(_)));
    let refused = |why| {
        move |error| {
            shared.metrics.refused(why);
            error
        }
    };
    caller
        .check_token(head, is_proxy)
        .map_err(refused(Refused::Token))?;
    if !matches!(form, Some(Form::Authority(_))) {
        Caller::check_browser(head).map_err(refused(Refused::Browser))?;
    }
    if !is_proxy {
        caller.check_host(head).map_err(refused(Refused::Browser))?;
    }
    form.ok_or_else(|| {
        shared.metrics.refused(Refused::Malformed);
        ErrorJson::malformed(
            "the target is neither a path of the broker's API, nor a URL, nor that of a CONNECT",
        )
    })
}

/// Answers with an error, and closes the connection.
async fn refuse(
    shared: &Shared,
    mut connection: Connection,
    head: Option<&Head>,
    error: &ErrorJson,
) {
    shared.metrics.error(error.code);
    let message = error.message();
    shared
        .log
        .of_client(&format!("refused a client: {message}"));
    if say(&mut connection, head, error, false).await.is_ok() {
        connection.close().await;
    }
}

async fn refuse_head(shared: &Shared, connection: Connection, fault: HeadFault) {
    shared.metrics.refused(Refused::Malformed);
    let error = match fault {
        HeadFault::Cut => return,
        HeadFault::TooLarge(_) | HeadFault::TooManyFields(_) => {
            ErrorJson::too_large(431, fault.to_string())
        }
        HeadFault::Malformed(_) => ErrorJson::malformed(fault.to_string()),
        HeadFault::Slow => ErrorJson::malformed(fault.to_string()).status(408),
    };
    refuse(shared, connection, None, &error).await;
}

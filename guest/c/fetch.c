// A guest in C that fetches `http://HOST:PORT/PATH`, its arguments, on the interface itself.

#include "network_command.h"
#include <stdlib.h>
#include <string.h>

typedef network_command_string_t text;
typedef network_command_list_u8_t bytes;
typedef sandbox_net_client_error_code_t error;

static void say(const uint8_t *from, size_t length) {
  wasi_cli_stdout_own_output_stream_t out = wasi_cli_stdout_get_stdout();
  wasi_io_streams_borrow_output_stream_t stream = wasi_io_streams_borrow_output_stream(out);
  wasi_io_streams_stream_error_t failed;
  while (length > 0) {
    bytes part = {(uint8_t *)from, length < 4096 ? length : 4096};
    if (!wasi_io_streams_method_output_stream_blocking_write_and_flush(stream, &part, &failed)) break;
    from += part.len;
    length -= part.len;
  }
  wasi_io_streams_output_stream_drop_own(out);
}

static void say_text(const char *from) { say((const uint8_t *)from, strlen(from)); }

static bool told(error *why) {
  if (why->tag == SANDBOX_NET_TYPES_ERROR_CODE_DENIED) {
    text *rule = &why->val.denied.rule;
    say_text("denied by ");
    say(rule->ptr, rule->len);
    say_text("\n");
  } else {
    say_text("failed\n");
  }
  sandbox_net_client_error_code_free(why);
  return false;
}

// Waits, and drops the pollable before what it watches.
static void block(wasi_io_poll_own_pollable_t pollable) {
  wasi_io_poll_method_pollable_block(wasi_io_poll_borrow_pollable(pollable));
  wasi_io_poll_pollable_drop_own(pollable);
}

static bool read_body(sandbox_net_client_borrow_exchange_t exchange) {
  sandbox_net_client_own_input_stream_t body;
  error why;
  if (!sandbox_net_client_method_exchange_response_body(exchange, &body, &why)) return told(&why);
  wasi_io_streams_borrow_input_stream_t stream = wasi_io_streams_borrow_input_stream(body);
  for (;;) {
    bytes piece;
    wasi_io_streams_stream_error_t end;
    if (!wasi_io_streams_method_input_stream_blocking_read(stream, 65536, &piece, &end)) {
      bool is_whole = end.tag == WASI_IO_STREAMS_STREAM_ERROR_CLOSED;
      wasi_io_streams_stream_error_free(&end);
      wasi_io_streams_input_stream_drop_own(body);
      say_text(is_whole ? "\n" : "\nfailed\n");
      return is_whole;
    }
    say(piece.ptr, piece.len);
    network_command_list_u8_free(&piece);
  }
}

static bool get(sandbox_net_client_borrow_connection_t connection, bytes path) {
  sandbox_net_client_result_void_error_code_t phase;
  while (!sandbox_net_client_method_connection_status(connection, &phase))
    block(sandbox_net_client_method_connection_subscribe(connection));
  if (phase.is_err) return told(&phase.val.err);

  sandbox_net_client_request_head_t head = {.method = {(uint8_t *)"GET", 3}, .path = path};
  sandbox_net_client_body_kind_t none = {.tag = SANDBOX_NET_TYPES_BODY_KIND_NONE};
  sandbox_net_client_own_exchange_t exchange;
  error why;
  if (!sandbox_net_client_request(connection, &head, &none, &exchange, &why)) return told(&why);
  sandbox_net_client_borrow_exchange_t borrowed = sandbox_net_client_borrow_exchange(exchange);
  sandbox_net_client_result_response_head_error_code_t answer;
  while (!sandbox_net_client_method_exchange_head(borrowed, &answer))
    block(sandbox_net_client_method_exchange_subscribe(borrowed));
  bool is_ok;
  if (answer.is_err) {
    is_ok = told(&answer.val.err);
  } else {
    uint16_t status = answer.val.ok.status;
    uint8_t line[4] = {'0' + status / 100, '0' + status / 10 % 10, '0' + status % 10, ' '};
    say(line, sizeof line);
    sandbox_net_client_response_head_free(&answer.val.ok);
    is_ok = read_body(borrowed);
  }
  sandbox_net_client_exchange_drop_own(exchange);
  return is_ok;
}

static bool fetch(text url) {
  const size_t scheme = strlen("http://");
  size_t colon = scheme;
  while (colon < url.len && url.ptr[colon] != ':') colon++;
  size_t path = colon + 1;
  uint32_t port = 0;
  for (; path < url.len && url.ptr[path] != '/'; path++) {
    uint8_t digit = url.ptr[path] - '0';
    port = digit < 10 && port < 65536 ? port * 10 + digit : 65536;
  }
  if (path >= url.len || port > 65535) {
    say_text("this is no http://HOST:PORT/PATH\n");
    return false;
  }
  text host = {url.ptr + scheme, colon - scheme};
  sandbox_net_client_connect_options_t options = {.timeout = {.is_some = false}};
  sandbox_net_client_own_connection_t connection;
  error why;
  if (!sandbox_net_client_connect(&host, port, &options, &connection, &why)) return told(&why);
  bytes rest = {url.ptr + path, url.len - path};
  bool is_ok = get(sandbox_net_client_borrow_connection(connection), rest);
  sandbox_net_client_close(connection);
  return is_ok;
}

bool exports_wasi_cli_run_run(void) {
  network_command_list_string_t arguments;
  wasi_cli_environment_get_arguments(&arguments);
  for (size_t i = 1; i < arguments.len; i++) fetch(arguments.ptr[i]);
  network_command_list_string_free(&arguments);
  return true;
}

;; A component that pins each note it takes, with the host's own interface.
(component
  (import "example:desk/board" (instance $board (export "pin" (func (param "note" string)))))

  ;; The host writes a note to the address that `realloc` returns. Each note overwrites the last one.
  (core module $memory
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0))
  (core instance $memory (instantiate $memory))
  (core func $pin (canon lower (func $board "pin") (memory (core memory $memory "memory"))))

  (core module $plugin
    (import "board" "pin" (func $pin (param i32 i32)))
    (func (export "take") (param i32 i32) (call $pin (local.get 0) (local.get 1))))
  (core instance $plugin
    (instantiate $plugin (with "board" (instance (export "pin" (func $pin))))))

  (func (export "take") (param "note" string)
    (canon lift (core func $plugin "take")
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc")))))

"""The assistant: a chat model that sees the snapshot and can only draft, never send."""

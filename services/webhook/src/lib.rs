//! Standard Webhooks.

//! The manual: how to choose, order, set and understand policies.
//!
//! | page | answers |
//! |---|---|
//! | [`choosing`] | which pattern cures which trouble, and which makes it worse |
//! | [`ordering`] | what goes outside of what, and why |
//! | [`defaults`] | what a standard stack does when nobody sets anything |
//! | [`health`] | what each Azure product asks, and how to set it up |
//! | [`azure_sql`] | what each error number of Azure SQL means, and what is done about it |
//! | `postgres`, behind the feature of that name | what is done about which error of PostgreSQL, and how to set a pool up |
//! | [`leadership`] | how one instance of many leads, and how what it writes is kept safe |
//! | [`tuning`] | how to find numbers for one service, and what to watch |
//! | [`recipes`] | short answers to common wishes |
//! | [`internals`] | how it works inside: slots, windows, timers, memory orderings |
//!
//! What each service of Azure promises, and what to do about it, behind `azure`:
//!
//! | page | service |
//! |---|---|
//! | `arm` | Azure Resource Manager |
//! | `identity` | Microsoft Entra ID and managed identities |
//! | `cosmos` | Cosmos DB, behind `azure-cosmos` |
//! | `key_vault` | Key Vault: secrets, keys, certificates |
//! | `messaging` | Service Bus and Event Hubs |
//! | `open_ai` | Azure OpenAI |
//! | `redis` | Redis |
//! | `storage` | storage accounts: blobs, queues, tables, files |

#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub mod arm;
pub mod azure_sql;
pub mod choosing;
#[cfg(feature = "azure-cosmos")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure-cosmos")))]
pub mod cosmos;
pub mod defaults;
pub mod health;
#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub mod identity;
pub mod internals;
#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub mod key_vault;
pub mod leadership;
#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub mod messaging;
#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub mod open_ai;
pub mod ordering;
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub mod postgres;
pub mod recipes;
#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub mod redis;
#[cfg(feature = "azure")]
#[cfg_attr(docsrs, doc(cfg(feature = "azure")))]
pub mod storage;
pub mod tuning;

//! Cosmos DB: what each status means, what the driver does about it, and what is left to do.
//!
//! What `azure::cosmos` (feature `azure-cosmos`) adds to the SDK's client, and why.
//!
//! # What the driver does already
//!
//! Do not put a retry or a hedge around it: attempts multiply.
//!
//! | what happens | the driver |
//! |---|---|
//! | 429 | waits for the hint and asks again, 9 times and 30 s in all |
//! | 449 | asks again in the same region |
//! | 404/1002 | asks the region that writes |
//! | 403/3, 403/1008, 408, 410, 429/3092, 503, no connection | reads the account again, and asks another region |
//! | a read takes a second | asks a second region, and takes the first answer |
//! | a partition keeps failing in a region | asks elsewhere for five seconds |
//!
//! # What may have been executed
//!
//! The driver also repeats *writes* whose answer was lost: creates, replaces, upserts and deletes, not
//! stored procedures. So one that was executed can end as if it had not been:
//!
//! | operation | the first request was executed, its answer lost; the second one ends with |
//! |---|---|
//! | create | 409: the item is there |
//! | replace, if it matches | 412: the item has changed |
//! | delete | 404: it is not there |
//! | upsert, replace | success; what somebody else wrote in between is gone |
//!
//! `Cosmos::run` reads the driver's record of the requests, and tells such an ending as
//! [ambiguous](crate::Error::Ambiguous); a 409 to a request that was sent once is a plain 409.
//! `Cosmos::run_verified` looks: read the item back by its id and its partition key, and compare an
//! identity that was made up with it, since another one may have created an item of that id. That the
//! identity is there is believed at once. That it is not is believed at once after an answer such as
//! 409, and otherwise a second later only, since a request may have been on its way.
//!
//! The look must see the write. With session consistency the answer that was lost carried the token:
//! read from the region that writes, or answer `Verified::Unknown` if nothing is found.
//!
//! # Request units
//!
//! Throttling costs the caller the wait and the account the refused requests. `RequestUnits` keeps
//! below the quota instead. It is one object for all clients of a process, and `share` divides the
//! throughput between processes. Operations take in advance what their kind has cost lately, and
//! settle by the charge that the answer reports, repeats included. A 429/3200 or 429/3210 that the
//! driver could not wait out doubles all prices until its hint has passed. A hot partition key (3214)
//! does not: other keys are not hot.
//!
//! # Regions
//!
//! A region is *suspect* after three operations in a row that met a failure there, and *down* when
//! another region has answered after that. While none does, this machine may as well be cut off. An
//! answer that the table calls *alive* clears it, and five minutes without a request forget it.
//!
//! When the write region is lost, reads go on and writes end with 503/20003 until the service moves
//! the write region. A client whose account endpoint was the lost region may never learn of that. So
//! `Config::rebuild` takes a factory of another client, best one that has the other region among its
//! backup endpoints; after five lost reads or five lost writes in a row it is called once, and its
//! client takes the place of the old one.
//!
//! # The statuses
//!
//! After the driver has done what it does. *Executed* is for writes, and for the request that was
//! answered so. A status that is not here is judged as 400 or 500.
//!
//! | status | meaning | account | what is done | executed | region |
//! |---|---|---|---|---|---|
//! | 400 | the request is wrong | permanent | final | no | alive |
//! | 401/20401–20402 | no token could be had: nothing was sent | neutral | final | no |  |
//! | 401 | the key or the token is refused | permanent | final | no | alive |
//! | 403/3 | this region does not write any more | transient | elsewhere | no |  |
//! | 403/1008 | the account is not in this region any more | transient | elsewhere | no |  |
//! | 403 | forbidden: rights, firewall, size | permanent | final | no | alive |
//! | 404/1002 | the region has not yet what the session has seen | transient | later, the region is behind | no | alive |
//! | 404/1013 | the container is being made | transient | later | no | alive |
//! | 404 | not there | permanent | final, unless sent before | no | alive |
//! | 405 | not allowed | permanent | final | no | alive |
//! | 408 | no answer in time | transient | elsewhere | maybe | suspect |
//! | 409 | an item with that id, or that unique key, is there | permanent | final, unless sent before | no | alive |
//! | 410/1022 | the replica has lost its lease | transient | elsewhere | no |  |
//! | 410 | the partition was split, merged or moved | transient | later | no |  |
//! | 412 | the item has changed | permanent | final, unless sent before | no | alive |
//! | 413 | the item is too large | permanent | final | no | alive |
//! | 424 | another operation of the batch failed | permanent | final | no | alive |
//! | 429/3088 | throttled while a partition is split | overload | later | no | alive |
//! | 429/3092 | the region lacks resources | transient | elsewhere | no | suspect |
//! | 429/3214 | one partition key is hot: others are not | overload | later | no | alive |
//! | 429 | the request units are used up (3200, 3210) | overload | slow down | no | alive |
//! | 449 | another write of the item is under way | transient | later | no |  |
//! | 500/20020 | the answer's body can not be read | permanent | final | maybe | alive |
//! | 500/20100–20399 | a failure of the client itself | permanent | final | no |  |
//! | 500 | a failure of the service | transient | later | maybe | alive |
//! | 503/20010 | no connection | transient | elsewhere | no | suspect |
//! | 503/20012 | the name was not found | transient | elsewhere | no | suspect |
//! | 503/20015 | the peer does not speak HTTP/2 | transient | elsewhere | no |  |
//! | 503/20305 | the partitions could not be found | transient | elsewhere | no |  |
//! | 503/20310 | no region has what the session has seen | transient | later, the region is behind | no |  |
//! | 503/20311 | no region accepts the write | transient | elsewhere | no |  |
//! | 503/20312 | the account's regions could not be found | transient | elsewhere | no |  |
//! | 503 | not available, or no answer (20003, 20011, 20014) | transient | elsewhere | maybe | suspect |

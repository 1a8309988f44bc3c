//! What is written into a blob's metadata.

use std::collections::HashMap;

use azure_core::http::{ClientMethodOptions, Etag};
use azure_storage_blob::BlobClient;
use azure_storage_blob::models::{
    BlobClientGetPropertiesOptions, BlobClientGetPropertiesResultHeaders, LeaseState,
};

use crate::azure::CallOptions;
use crate::azure::storage::Location;
use crate::error::BoxError;
use crate::lease::Epoch;

/// The metadata of a blob, with the epoch in it, as it was at one `ETag`.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) epoch: Epoch,
    /// What tells the last term, or the last write, from all others.
    pub(super) mark: Option<String>,
    pub(super) holder: Option<String>,
    pub(super) etag: Etag,
    pub(super) is_leased: bool,
    /// What else there is, and stays.
    others: HashMap<String, String>,
}

/// A read that a stack with a readable secondary keeps from there: what is behind tells of a term
/// that is over.
pub(super) fn of_the_primary() -> ClientMethodOptions<'static> {
    let context = CallOptions::new().at(Location::Primary).into_context();
    ClientMethodOptions { context }
}

impl Record {
    /// Reads it from the service. With a lease's id, the service refuses if that is not held.
    pub(super) async fn read(
        client: &BlobClient,
        lease: Option<&str>,
    ) -> azure_core::Result<Result<Self, BoxError>> {
        let options = BlobClientGetPropertiesOptions {
            lease_id: lease.map(ToOwned::to_owned),
            method_options: of_the_primary(),
            ..BlobClientGetPropertiesOptions::default()
        };
        let properties = client.get_properties(Some(options)).await?;
        let Some(etag) = properties.etag()? else {
            return Ok(Err("the blob has no ETag".into()));
        };
        let is_leased =
            matches!(properties.lease_state()?, Some(LeaseState::Leased | LeaseState::Breaking));
        Ok(Self::parse(properties.metadata()?, etag, is_leased))
    }

    fn parse(
        mut all: HashMap<String, String>,
        etag: Etag,
        is_leased: bool,
    ) -> Result<Self, BoxError> {
        // Names of metadata know no upper and lower case, and some services change it.
        let mut take = |wanted: &str| {
            let name = all.keys().find(|name| name.eq_ignore_ascii_case(wanted))?.clone();
            all.remove(&name)
        };
        let (epoch, mark, holder) = (take(EPOCH), take(MARK), take(HOLDER));
        let epoch = match (&epoch, &mark) {
            (Some(text), _) => match text.parse() {
                Ok(number) => Epoch::new(number),
                Err(_) => return Err(format!("`{EPOCH}` in the metadata is no number").into()),
            },
            // To count from 1 again would hand out epochs a second time.
            (None, Some(_)) => return Err(format!("there is no `{EPOCH}` in the metadata").into()),
            (None, None) => Epoch::NONE,
        };
        Ok(Self { epoch, mark, holder, etag, is_leased, others: all })
    }

    /// The metadata with another epoch, mark and holder.
    pub(super) fn with(
        &self,
        epoch: Epoch,
        mark: &str,
        holder: Option<&str>,
    ) -> HashMap<String, String> {
        let mut all = self.others.clone();
        all.extend(marks(epoch, mark, holder));
        all
    }
}

/// The metadata of a blob that has no other.
pub(super) fn marks(epoch: Epoch, mark: &str, holder: Option<&str>) -> HashMap<String, String> {
    let holder = holder.map(|holder| (HOLDER.to_owned(), holder.trim().to_owned()));
    [(EPOCH.to_owned(), epoch.to_string()), (MARK.to_owned(), mark.to_owned())]
        .into_iter()
        .chain(holder)
        .collect()
}

const EPOCH: &str = "seawall_epoch";
const MARK: &str = "seawall_mark";
const HOLDER: &str = "seawall_holder";

#[cfg(all(test, not(seawall_loom)))]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<Record, BoxError> {
        let all = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Record::parse(all, "1".into(), false)
    }

    #[test]
    fn other_metadata_stays() {
        let record = parse(&[("Owner", "billing"), ("Seawall_Epoch", "7")]).unwrap();
        assert_eq!((record.epoch, record.holder.as_deref()), (Epoch::new(7), None));

        let all = record.with(Epoch::new(8), "m", Some(" a "));
        let expected = [("Owner", "billing"), (EPOCH, "8"), (MARK, "m"), (HOLDER, "a")];
        assert_eq!(all, expected.map(|(name, value)| (name.into(), value.into())).into());
    }

    #[test]
    fn a_blob_that_nobody_has_led_with_is_before_the_first_epoch() {
        assert_eq!(parse(&[]).unwrap().epoch, Epoch::NONE);
    }

    #[test]
    fn an_epoch_that_can_not_be_read_is_not_taken_for_none() {
        for bad in [
            &[("seawall_epoch", "")][..],
            &[("seawall_epoch", "-1")],
            &[("seawall_epoch", "18446744073709551616")],
            &[("seawall_epoch", "seven")],
            &[("seawall_mark", "m")],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}

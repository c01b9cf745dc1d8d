//! `recordings` and `kms` of `[sinks]`: where recordings go, and who wraps their keys.

use super::super::reader::Table;
use super::super::{tls, value};
use super::{Defaults, Encryption, Kind, bucket, encryption, endpoint, kind, prefix, region_name};
use aws_sinks::{Access, S3Config};
use call_recordings::UploadConfig;

/// Where recordings go; they stay on this host unless kind is "aws" here: what `[sinks]` says for all
/// others does not count for voices.
pub(super) fn read(mut table: Table<'_>, defaults: &Defaults) -> Option<UploadConfig> {
    let kind = table.or("kind", Kind::File, kind);
    let access = access(&mut table, defaults);
    let is_aws = kind == Kind::Aws;
    let bucket = if is_aws {
        table.required("bucket", "bucket = \"call-recordings\"", bucket)
    } else {
        table.optional("bucket", bucket)
    };
    let prefix = table.or("prefix", String::new(), prefix);
    let key = table.optional("kms_key", value::string);
    let encryption = table.optional("encryption", encryption);
    if key.is_some() && !matches!(encryption, Some(Encryption::Kms(_))) {
        let message = "is used only with encryption = \"kms\", by the bucket; what encrypts recordings \
                       here is kms_key of [recordings]";
        table.error_at("kms_key", message);
    }
    let encryption = encryption.map(|encryption| match encryption {
        Encryption::Kms(_) => Encryption::Kms(key),
        Encryption::S3 => Encryption::S3,
    });
    for key in ["endpoint_url", "region", "tls_ca", "bucket", "prefix", "encryption"] {
        if !is_aws && table.has(key) {
            table.warn_at(key, "is not used: recordings stay here without kind = \"aws\"");
        }
    }
    table.finish();
    let s3 = S3Config { bucket: bucket?, prefix, encryption };
    is_aws.then_some(UploadConfig { access, s3 })
}

/// Where KMS is.
pub(super) fn read_kms(mut table: Table<'_>, defaults: &Defaults) -> Access {
    let access = access(&mut table, defaults);
    table.finish();
    access
}

fn access(table: &mut Table<'_>, defaults: &Defaults) -> Access {
    let endpoint = table.optional("endpoint_url", endpoint).or_else(|| defaults.endpoint.clone());
    let region = table.or("region", defaults.region.clone(), region_name);
    let authorities = tls::authorities(table, "tls_ca").or_else(|| defaults.authorities.clone());
    Access { region, endpoint, authorities }
}

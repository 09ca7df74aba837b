-- +goose Up
-- halosync:oldest-program 7
-- The index that looked companies up by name before version 9, which brought
-- companies_norm_hash. Each new company paid for both. Programs from before
-- then still work, and look names up slowly until they are replaced.
drop index halosync.companies_norm_name;

-- +goose Up
-- halosync:normalise-names
-- Quotes, primes, apostrophes, dashes and invisible characters count as the same in more
-- spellings (internal/names). worker migrate has normalised the stored names again before
-- it applies this file.
comment on column halosync.companies.norm_name is
    'The name for comparison, computed by the program. Two companies with the same value count as the same name.';

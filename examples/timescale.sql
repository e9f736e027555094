-- The table of a series in PostgreSQL as a hypertable of TimescaleDB, after the first run of
--   enlighten fleet run --series rgm_stats --to postgresql://...
-- For TimescaleDB 2.13 and later; it was checked in PostgreSQL alone, where TimescaleDB was not at hand.
-- Its key has the column of time, as Timescale needs; writes stay as they are.
SELECT create_hypertable('rgm_stats', by_range('end_at', INTERVAL '7 days'), migrate_data => true);

-- Late corrections reach back some days: compress what is older.
ALTER TABLE rgm_stats SET (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'system_id, meter, channel',
    timescaledb.compress_orderby = 'end_at'
);
SELECT add_compression_policy('rgm_stats', INTERVAL '30 days');

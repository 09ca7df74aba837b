package tasks

// RedisURL is the test binary's Redis, for the examples.
func RedisURL() string { return shared.redis.URL() }

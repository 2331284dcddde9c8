"""Who is compared, one file each: how it is started, what it claims to compute, and where its rows stand."""

"""HTTP only: routes, bearer tokens, bodies, problem responses, OpenAPI."""

"""Container images: what ``--container`` and ``slurmpy bundle`` take besides a bundle, made into bundles.

`reference.parse` reads the text, `cache.Cache.use` makes a bundle of it, once for all tasks and jobs of a user, and
holds it as long as the `Lease` is open. Everything that is wrong with an image is an `errors.ImageError`.
"""

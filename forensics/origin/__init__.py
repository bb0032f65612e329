"""Whether a picture was made by a checkpoint: autoencoder, watermark, stated recipe, and what follows for the rest.

A finding of origin names an autoencoder, not a checkpoint: whole families share one. Statements of the file are read by
`forensics.metadata`; here stands what is measured on pixels.
"""

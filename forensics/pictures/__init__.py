"""Foreign bytes to pixels and back: safe decoding with every step stated, *the* tensor convention, PNG, codecs."""

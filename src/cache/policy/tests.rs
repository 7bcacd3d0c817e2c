mod lookup;
mod storable;

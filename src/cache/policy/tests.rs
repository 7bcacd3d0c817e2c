mod keyed;
mod lookup;
mod storable;

//! Every setting is enforced, refused, or documented as having no effect.

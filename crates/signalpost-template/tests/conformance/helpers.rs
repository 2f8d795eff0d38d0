//! Host helpers of the Handlebars cases.

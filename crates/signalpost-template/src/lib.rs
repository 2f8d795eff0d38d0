//! The Liquid and Handlebars languages on one virtual machine.

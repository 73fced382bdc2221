//! impresario

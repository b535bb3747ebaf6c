# oneDNN and OpenMP for the compute half, behind one interface target: sconce_dnnl.
find_package(dnnl REQUIRED)
add_library(sconce_dnnl INTERFACE)
target_link_libraries(sconce_dnnl INTERFACE DNNL::dnnl)

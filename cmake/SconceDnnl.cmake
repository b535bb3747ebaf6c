# oneDNN and OpenMP for the compute half, behind one interface target: sconce_dnnl. oneDNN runs on OpenMP's pool
# whatever parallel_for uses, so its number of threads is set through OpenMP.
find_package(dnnl REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
add_library(sconce_dnnl INTERFACE)
target_link_libraries(sconce_dnnl INTERFACE DNNL::dnnl OpenMP::OpenMP_CXX)
